"""A whole life on a small project, through the command line: what a user types, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.projects import MODEL, seatrial, seatrial_json, write_project, write_settings
from tests.waiting import free_port, until


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 trained, converted and in production; tests that change it clean up after themselves."""
    directory = write_project(tmp_path_factory.mktemp("life"))
    trained = seatrial_json(directory, "train")
    assert (trained["version"], trained["passed"]) == (1, True)
    converted = seatrial_json(directory, "convert", f"{MODEL}@candidate")
    assert converted["decision"] == "promote", converted
    return directory


def test_the_first_version_is_in_production_and_listed(project: Path) -> None:
    (row,) = seatrial_json(project, "models", "list")
    assert (row["model"], row["version"], row["aliases"], row["verdict"]) == (MODEL, 1, ["production"], "pass")
    assert row["artifacts"] == ["onnx-fp32", "onnx-int8"]


def test_show_gives_lineage_findings_and_places(project: Path) -> None:
    shown = seatrial_json(project, "models", "show", f"{MODEL}@production")
    assert shown["lineage"]["origin"] == "trained"
    assert len(shown["lineage"]["data_sha256"]) == 64
    assert {finding["verdict"] for finding in shown["findings"]} == {"pass"}
    assert all((Path(artifact["directory"]) / "model.onnx").is_file() for artifact in shown["artifacts"])
    assert shown["source_uri"]


def test_history_answers_what_was_in_production_and_why(project: Path) -> None:
    answer = seatrial_json(project, "models", "history", MODEL, "--at", "2999-01-01")
    assert answer["version"] == 1
    assert "First release" in answer["entry"]["payload"]["reason"]
    assert answer["entry"]["payload"]["findings"]
    assert seatrial_json(project, "models", "history", MODEL, "--at", "2020-01-01")["version"] is None


def test_an_existing_user_of_mlflow_finds_the_production_version(project: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project / '.seatrial' / 'mlflow.db'}")
    with pytest.warns(FutureWarning, match="stages"):
        production = client.get_latest_versions(MODEL, stages=["Production"])[0]
    assert int(production.version) == 1
    files = Path(production.source.removeprefix("file://"))
    assert (files / "source" / "model.safetensors").is_file()
    assert (files / "onnx-fp32" / "model.onnx").is_file()


def test_doing_it_again_does_nothing_again(project: Path) -> None:
    before = seatrial_json(project, "models", "history", MODEL)
    again = seatrial_json(project, "train")
    assert again["version"] == 1
    assert seatrial_json(project, "convert", f"{MODEL}@1")["decision"] is None
    assert seatrial_json(project, "models", "history", MODEL) == before


def test_verify_passes_and_notices_a_stage_moved_by_a_foreign_script(project: Path) -> None:
    from mlflow import MlflowClient

    seatrial(project, "models", "verify")
    client = MlflowClient(f"sqlite:///{project / '.seatrial' / 'mlflow.db'}")
    with pytest.warns(FutureWarning, match="stages"):
        client.transition_model_version_stage(name=MODEL, version="1", stage="Archived")
    findings = seatrial_json(project, "models", "verify", expect=1)
    assert {f["check"] for f in findings if f["verdict"] != "pass"} == {"registry.roles"}
    assert any(entry["kind"] == "foreign" for entry in seatrial_json(project, "models", "history", MODEL))
    seatrial(project, "models", "verify", "--repair", expect=1)
    seatrial(project, "models", "verify")


def test_verify_notices_an_edited_ledger_row(project: Path) -> None:
    database = project / ".seatrial" / "seatrial.db"
    copy = project / "seatrial.db.copy"
    with contextlib.closing(sqlite3.connect(database)) as connection, contextlib.closing(sqlite3.connect(copy)) as kept:
        connection.backup(kept)
        for (trigger,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f"drop trigger {trigger}")
        connection.execute("update ledger set payload = replace(payload, 'pass', 'fail') where kind = 'finding'")
        connection.commit()
    findings = seatrial_json(project, "models", "verify", expect=1)
    assert "ledger.chain" in {f["check"] for f in findings if f["verdict"] != "pass"}
    for leftover in database.parent.glob("seatrial.db-*"):
        leftover.unlink()
    copy.replace(database)
    seatrial(project, "models", "verify")


def test_a_second_version_is_compared_with_production_and_becomes_candidate(project: Path) -> None:
    write_settings(project, seed=3)
    trained = seatrial_json(project, "train", expect=None)
    assert trained["version"] == 2
    checks = {finding["check"]: finding for finding in trained["findings"]}
    assert checks["evaluation.not_worse_than_production"]["samples"] > 500
    converted = seatrial_json(project, "convert", f"{MODEL}@2", "--to", "onnx-fp32")
    assert converted["decision"] is None, "a later version needs a release"
    assert seatrial_json(project, "models", "show", f"{MODEL}@production")["version"] == 1
    write_settings(project)


def test_production_is_served_without_registry_or_database(project: Path) -> None:
    port, internal = free_port(), free_port()
    command = [sys.executable, "-m", "seatrial.cli", "serve", f"{MODEL}@production"]
    command += ["--port", str(port), "--internal-port", str(internal), "--grpc-port", "0"]
    hidden = {name: project / ".seatrial" / name for name in ("mlflow.db", "seatrial.db", "mlartifacts", "cache")}
    for name, path in hidden.items():
        path.rename(project / f"hidden-{name}")
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until(lambda: _get(port, "/ready") == 200, process)
        body = json.dumps({"texts": ["the film was great", "a dull and broken plot"]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
        assert answer["predictions"] == ["positive", "negative"]
        assert (answer["model"], answer["version"]) == (MODEL, "1")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        for name, path in hidden.items():
            (project / f"hidden-{name}").rename(path)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("serve", f"{MODEL}@99"), 2, "has no bundle"),
        (("serve", "nobody@1"), 2, "no bundle of a model"),
        (("serve", f"{MODEL}@production", "--artifact", "onnx-fp64"), 2, "no artifact"),
        (("serve", "--bundle", "nowhere"), 2, "is no bundle"),
        (("convert", f"{MODEL}@99"), 2, "99"),
        (("convert", "no such name"), 2, "cannot be a model name"),
        (("convert", f"{MODEL}@1", "--to", "onnx-fp64"), 2, "conversion"),
        (("models", "show", f"{MODEL}@latest"), 2, "names no version"),
        (("models", "history", "nobody"), 2, "Nothing is on record"),
        (("models", "history", MODEL, "--at", "yesterday"), 2, "is no date"),
        (("register", "--from", "nowhere"), 2, "nowhere"),
        (("train", "-C", "elsewhere-that-is-not"), 2, ""),
    ],
)
def test_a_mistake_gets_a_sentence_and_the_usage_code(
    project: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "seatrial.cli", *arguments], cwd=project, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unreachable_registry_is_a_dependency_and_serving_goes_on_without(project: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "seatrial.cli", "models", "list"],
        cwd=project,
        env={
            **_environment(),
            "SEATRIAL_REGISTRY__TRACKING_URI": f"http://127.0.0.1:{free_port()}",
            "SEATRIAL_REGISTRY__TIMEOUT_S": "3",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 3, ended.stderr
    assert "127.0.0.1" in ended.stderr
    assert "Traceback" not in ended.stderr


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def _get(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return int(response.status)
    except OSError:
        return 0


def test_a_training_killed_at_any_moment_is_completed_by_the_same_command(tmp_path: Path) -> None:
    directory = write_project(tmp_path / "killed", epochs=30)
    for seconds in (3.0, 6.0, 9.0, 11.0):
        process = subprocess.Popen(
            [sys.executable, "-m", "seatrial.cli", "train"],
            cwd=directory, env={**_environment(), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    trained = seatrial_json(directory, "train")
    assert trained["version"] == 1
    assert len(seatrial_json(directory, "models", "list")) == 1
    process = subprocess.Popen(
        [sys.executable, "-m", "seatrial.cli", "convert", f"{MODEL}@1"], cwd=directory,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(4)
    process.kill()
    process.wait()
    assert seatrial_json(directory, "convert", f"{MODEL}@1")["passed"]
    assert seatrial_json(directory, "models", "show", f"{MODEL}@production")["version"] == 1
    seatrial(directory, "models", "verify")
    leftovers = list((directory / ".seatrial" / "bundles").rglob(".*partial*"))
    assert leftovers == []
