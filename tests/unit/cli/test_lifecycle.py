"""Commands that move a model, on a real small project: what people read, and the one document for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.flows.deploy import Converted
from tests.builders import LABELS, MAX_TOKENS, onnx_graph, tokenizer_json
from tests.handmade import MODEL, PRINTED
from tests.unit.cli.conftest import Command


def test_init_writes_a_project_once(seatrial: Command, tmp_path: Path) -> None:
    made = seatrial("init", tmp_path / "new")
    assert made.code == 0
    assert [line.split("/")[-1] for line in made.out.splitlines()[:3]] == ["seatrial.toml", "README.md", "ask.py"]
    assert made.out.splitlines()[3].startswith("Next: cd ")
    again = seatrial("init", tmp_path / "new", "--json")
    assert json.loads(again.out) == {"directory": str(tmp_path / "new"), "written": []}
    assert "a project already" in seatrial("init", tmp_path / "new").out


def test_init_where_a_file_lies_is_refused(seatrial: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = seatrial("init", tmp_path / "file")
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err


def test_train_and_convert_tell_what_they_found_and_what_comes_next(seatrial: Command, project: Path) -> None:
    trained = seatrial("train", "-C", project)
    assert trained.code == 0, trained.err
    assert "evaluation.accuracy_floor" in trained.out
    assert f"Next: seatrial convert {MODEL}@1" in trained.out
    assert PRINTED not in trained.out
    assert PRINTED in trained.err
    assert "done: register" in trained.err
    converted = seatrial("convert", f"{MODEL}@candidate", "-C", project)
    assert converted.code == 0, converted.err
    assert "conversion.flip_rate" in converted.out
    assert f"{MODEL}@1/onnx-fp32: 0.0 MB in" in converted.out
    assert "promote: First release" in converted.out
    assert f"Next: seatrial serve {MODEL}@1" in converted.out


def test_train_and_convert_print_one_document_for_programs(seatrial: Command, project: Path) -> None:
    trained = json.loads(seatrial("train", "-C", project, "--json").out)
    assert (trained["model"], trained["version"], trained["passed"]) == (MODEL, 1, True)
    assert trained["metrics"]["accuracy"] == 1.0
    assert {finding["verdict"] for finding in trained["findings"]} == {"pass"}
    assert Path(trained["report"]).is_file()
    converted = json.loads(seatrial("convert", f"{MODEL}@1", "--to", "onnx-fp32", "-C", project, "--json").out)
    (artifact,) = converted["artifacts"]
    assert (artifact["artifact"], artifact["servable"], converted["decision"]) == ("onnx-fp32", True, "promote")
    assert json.loads(seatrial("convert", MODEL, "-C", project, "--json").out)["decision"] is None


@pytest.mark.parametrize("as_json", [False, True])
def test_a_finding_that_says_no_is_code_1(
    seatrial: Command, project: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setenv("SEATRIAL_EVALUATION__ECE_CEILING", "0.001")
    options = ["-C", project, *(["--json"] if as_json else [])]
    trained = seatrial("train", *options)
    assert trained.code == 1
    assert ('"passed": false' if as_json else "goes no further") in trained.out
    monkeypatch.setenv("SEATRIAL_CONVERSION__FP32_FLIP_RATE_LIMIT", "1e-9")
    converted = seatrial("convert", f"{MODEL}@1", *options)
    assert converted.code == 1
    assert ('"servable": false' if as_json else "kept for inspection, never served") in converted.out
    assert ('"decision": "hold"' if as_json else "hold: Not released") in converted.out


@pytest.mark.parametrize("as_json", [False, True])
def test_a_demo_whose_findings_say_no_serves_nothing_and_says_why(
    seatrial: Command, project: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setenv("SEATRIAL_EVALUATION__ECE_CEILING", "0.001")
    ended = seatrial("demo", project, *(["--json"] if as_json else []))
    assert ended.code == 1
    assert "not released" in ended.out
    assert "evaluation.calibration" in ended.out
    assert "curl" not in ended.out
    assert not as_json or json.loads(ended.out)["passed"] is False


def test_register_takes_labels_in_order(seatrial: Command, project: Path, tmp_path: Path) -> None:
    onnx_graph(tmp_path / "model.onnx")
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": MAX_TOKENS}))
    labels = [word for label in LABELS for word in ("--label", label)]
    ended = seatrial("register", "--from", tmp_path, *labels, "-C", project, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["version"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["convert", "no such name"], "cannot be a model name"),
        (["convert", f"{MODEL}@latest"], "names no version"),
        (["convert", f"{MODEL}@9"], "no model"),
        (["convert", f"{MODEL}@1", "--to", "onnx-fp64"], "conversion.targets"),
        (["convert", f"{MODEL}@1", "--to", ","], "nothing to convert to"),
        (["register", "--from", "nowhere"], "nowhere"),
        (["serve", f"{MODEL}@production"], "no bundle of a model"),
        (["serve", "--bundle", "nowhere"], "is no bundle"),
        (["serve", "--port", "70000"], "serving.port"),
    ],
)
def test_a_mistake_is_code_2_and_a_sentence(seatrial: Command, project: Path, arguments: list[str], words: str) -> None:
    ended = seatrial(*arguments, "-C", project)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_nothing_converted_is_no_success(seatrial: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seatrial("train", "-C", project)

    def convert(workshop: object, *_: object) -> Converted:
        return Converted(workshop.registry.get_version(MODEL, 1), (), None)  # type: ignore[attr-defined]

    monkeypatch.setattr("seatrial.flows.deploy.convert", convert)
    assert seatrial("convert", MODEL, "-C", project).code == 1
