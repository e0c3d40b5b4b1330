from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from seatrial.bundle import Bundle
from seatrial.config import ConversionSettings
from seatrial.conversion.convert import ConversionJob, convert
from seatrial.conversion.parity import Answers, ParityRows, check_parity
from seatrial.conversion.torch_export import _logits_only
from seatrial.conversion.unpadded_export import export_unpadded
from seatrial.domain.errors import (
    ConversionError,
    InferenceError,
    RefusedArtifactError,
    StorageFullError,
    UsageError,
)
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.inference import EngineOutput, FloatArray, InferenceEngine, IntArray
from seatrial.domain.model import Artifact, ArtifactFormat, Layout, Precision
from seatrial.engines.loading import load_engine
from seatrial.text.layout import lay_out
from tests import builders
from tests.conversions import damaged, onnx_source, parity_rows, set_weight
from tests.limits import file_size_limit

SETTINGS = ConversionSettings(composition_rounds=1, reduce_range="on")
# Random weights leave many decisions to chance; what int8 does to a trained model is measured on one.
LENIENT = ConversionSettings(composition_rounds=1, reduce_range="on", flip_rate_limit=0.2, accuracy_loss_limit=0.1)


class CountingLoader:
    """Loads engines and remembers the names of their artifacts."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def __call__(self, bundle: Bundle) -> InferenceEngine:
        self.loaded.append(bundle.manifest.artifact.name)
        return load_engine(bundle)


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The hand-made graph as a source: what the rows were answered by in the tests of damaged graphs."""
    return onnx_source(tmp_path_factory.mktemp("adopted") / "bundle")


@pytest.fixture(scope="module")
def adopted_rows(adopted: Bundle) -> ParityRows:
    return parity_rows(adopted, 700)


@pytest.fixture
def torch_job(source: Bundle, rows: ParityRows, tmp_path: Path) -> ConversionJob:
    return ConversionJob(source, 1, tmp_path / "bundles" / "tiny" / "1", rows, load_engine)


@pytest.fixture
def job(adopted: Bundle, adopted_rows: ParityRows, tmp_path: Path) -> ConversionJob:
    """A quick one: the source is a graph already."""
    return ConversionJob(adopted, 1, tmp_path / "bundles" / "tiny" / "1", adopted_rows, CountingLoader())


def loads(job: ConversionJob) -> list[str]:
    assert isinstance(job.load_engine, CountingLoader)
    return job.load_engine.loaded


def by_check(bundle: Bundle) -> Mapping[str, Finding]:
    return {finding.check.removeprefix("conversion."): finding for finding in bundle.manifest.findings}


def left_behind(job: ConversionJob) -> list[str]:
    return sorted(path.name for path in job.directory.iterdir()) if job.directory.exists() else []


def test_an_fp32_artifact_is_proven_and_may_be_served(torch_job: ConversionJob, source: Bundle) -> None:
    bundle = convert(torch_job, "onnx-fp32", SETTINGS)
    assert bundle.directory == torch_job.directory / "onnx-fp32"
    assert Bundle.open(bundle.directory).manifest == bundle.manifest
    bundle.require_servable()
    manifest = bundle.manifest
    assert (manifest.model, manifest.version, manifest.ref) == ("tiny", 1, "tiny@1/onnx-fp32")
    assert manifest.artifact.format is ArtifactFormat.ONNX
    assert manifest.artifact.derived_from == source.manifest.artifact.sha256
    assert (manifest.artifact.precision, manifest.artifact.profile) == (Precision.FP32, "unpadded")
    assert manifest.artifact.layout is Layout.PACKED
    assert manifest.signature == source.manifest.signature
    assert {finding.subject for finding in manifest.findings} == {"tiny@1/onnx-fp32"}
    assert left_behind(torch_job) == ["onnx-fp32"]


def test_int8_derives_from_fp32_which_is_made_first(torch_job: ConversionJob) -> None:
    int8 = convert(torch_job, "onnx-int8", LENIENT)
    fp32 = Bundle.open(torch_job.directory / "onnx-fp32")
    assert int8.manifest.artifact.derived_from == fp32.manifest.artifact.sha256
    assert int8.manifest.artifact.precision is Precision.INT8
    assert int8.manifest.servable
    assert int8.manifest.lineage["source_sha256"] == fp32.manifest.lineage["source_sha256"]
    assert left_behind(torch_job) == ["onnx-fp32", "onnx-int8"]


def test_what_is_made_is_not_made_again(job: ConversionJob) -> None:
    first = convert(job, "onnx-int8", LENIENT)
    assert convert(job, "onnx-int8", LENIENT).manifest == first.manifest
    assert convert(job, "onnx-fp32", LENIENT).manifest.servable
    assert loads(job) == ["onnx-fp32", "onnx-int8"]


def test_a_failing_artifact_is_not_made_again_either(job: ConversionJob) -> None:
    few = replace(job, rows=ParityRows(job.rows.tokens, job.rows.truth, job.rows.source_logits[:, ::-1].copy()))
    assert not convert(few, "onnx-fp32", SETTINGS).manifest.servable
    assert not convert(few, "onnx-fp32", SETTINGS).manifest.servable
    assert loads(job) == ["onnx-fp32"]


def change_limit(job: ConversionJob) -> tuple[ConversionJob, ConversionSettings]:
    return job, ConversionSettings(composition_rounds=1, fp32_flip_rate_limit=0.006)


def change_rows(job: ConversionJob) -> tuple[ConversionJob, ConversionSettings]:
    return replace(job, rows=replace(job.rows, truth=1 - job.rows.truth)), SETTINGS


def change_version(job: ConversionJob) -> tuple[ConversionJob, ConversionSettings]:
    return replace(job, version=2), SETTINGS


def alter_file(job: ConversionJob) -> tuple[ConversionJob, ConversionSettings]:
    path = job.directory / "onnx-fp32" / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return job, SETTINGS


def lose_manifest(job: ConversionJob) -> tuple[ConversionJob, ConversionSettings]:
    (job.directory / "onnx-fp32" / "manifest.json").unlink()
    return job, SETTINGS


@pytest.mark.parametrize("change", [change_limit, change_rows, change_version, alter_file, lose_manifest])
def test_what_changed_is_made_again(
    job: ConversionJob, change: Callable[[ConversionJob], tuple[ConversionJob, ConversionSettings]]
) -> None:
    convert(job, "onnx-fp32", SETTINGS)
    changed, settings = change(job)
    bundle = convert(changed, "onnx-fp32", settings)
    assert loads(job) == ["onnx-fp32", "onnx-fp32"]
    Bundle.open(bundle.directory)
    assert left_behind(job) == ["onnx-fp32"]


def test_an_artifact_that_could_not_be_asked_is_asked_again(job: ConversionJob) -> None:
    def refuse(bundle: Bundle) -> InferenceEngine:
        raise InferenceError("The machine is out of memory.")

    bundle = convert(replace(job, load_engine=refuse), "onnx-fp32", SETTINGS)
    assert [(f.check, f.verdict) for f in bundle.manifest.findings] == [("conversion.scores", Verdict.ERROR)]
    assert "out of memory" in bundle.manifest.findings[0].reason
    assert convert(job, "onnx-fp32", SETTINGS).manifest.servable


def test_an_unknown_target_is_refused_before_anything_is_done(job: ConversionJob) -> None:
    with pytest.raises(UsageError, match="'tensorrt'"):
        convert(job, "tensorrt", SETTINGS)
    assert not job.directory.exists()


def test_an_onnx_source_is_adopted_and_quantised(adopted: Bundle, adopted_rows: ParityRows, tmp_path: Path) -> None:
    job = ConversionJob(adopted, 3, tmp_path / "3", adopted_rows, load_engine)
    int8 = convert(job, "onnx-int8", SETTINGS)
    fp32 = Bundle.open(tmp_path / "3" / "onnx-fp32")
    assert fp32.manifest.servable
    assert int8.manifest.servable
    assert fp32.manifest.artifact.profile == int8.manifest.artifact.profile == "source"


# --- The gate sees what is wrong. Each graph is damaged, and run by ONNX Runtime as the data plane would. ---


def judged(graph: Bundle, rows: ParityRows, directory: Path, **settings: Any) -> Bundle:
    """Converts a damaged source, with rows that the sound one answered."""
    section = ConversionSettings(composition_rounds=1, **settings)
    bundle = convert(ConversionJob(graph, 1, directory / "1", rows, load_engine), "onnx-fp32", section)
    assert not bundle.manifest.servable
    assert Bundle.open(bundle.directory).manifest == bundle.manifest, "it is kept for inspection"
    with pytest.raises(RefusedArtifactError, match="kept for inspection"):
        bundle.require_servable()
    return bundle


def test_one_corrupted_weight_fails(adopted: Bundle, adopted_rows: ParityRows, tmp_path: Path) -> None:
    """A single number of a single word, "was", grows: it now decides every text it stands in."""

    def corrupt(table: Any) -> Any:
        table[builders.VOCABULARY["was"], 1] = 90
        return table

    graph = damaged(adopted, tmp_path / "source", lambda model: set_weight(model, "weights", corrupt))
    findings = by_check(judged(graph, adopted_rows, tmp_path))
    assert findings["flip_rate"].verdict is Verdict.FAIL
    assert findings["accuracy_loss"].verdict is Verdict.FAIL
    assert findings["probability_difference"].verdict is Verdict.FAIL


def test_swapped_labels_fail(adopted_rows: ParityRows, tmp_path: Path) -> None:
    findings = by_check(judged(onnx_source(tmp_path / "source", sign=-1), adopted_rows, tmp_path))
    assert findings["flip_rate"].details["rate"] > 0.99
    assert findings["accuracy_loss"].verdict is Verdict.FAIL


def test_weights_that_are_no_numbers_are_an_error(adopted_rows: ParityRows, tmp_path: Path) -> None:
    bundle = judged(onnx_source(tmp_path / "source", nan=True), adopted_rows, tmp_path)
    assert worst(bundle.manifest.findings) is Verdict.ERROR
    assert [finding.check for finding in bundle.manifest.findings] == ["conversion.scores"]
    assert "not finite" in bundle.manifest.findings[0].reason


def test_an_artifact_whose_head_lost_accuracy_fails(adopted: Bundle, adopted_rows: ParityRows, tmp_path: Path) -> None:
    """With generous limits on flips and probabilities, lost accuracy alone is enough."""

    def forget(table: Any) -> Any:
        table[builders.VOCABULARY["good"]] = table[builders.VOCABULARY["bad"]] = 0
        return table

    graph = damaged(adopted, tmp_path / "source", lambda model: set_weight(model, "weights", forget))
    generous = {"fp32_flip_rate_limit": 0.9, "fp32_probability_limit": 0.99}
    findings = by_check(judged(graph, adopted_rows, tmp_path, **generous))
    assert [name for name, finding in findings.items() if finding.verdict is not Verdict.PASS] == ["accuracy_loss"]


@pytest.fixture(scope="module")
def dropping(source: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A graph of the source that an exporter left in training mode wrote."""
    directory = tmp_path_factory.mktemp("dropping")
    export_with_dropout(source, directory / "model.onnx")

    def replace_graph(model: Any) -> None:
        model.CopyFrom(onnx.load(str(directory / "model.onnx")))

    return damaged(onnx_source(directory / "plain"), directory / "source", replace_graph)


def test_an_export_in_training_mode_is_refused(dropping: Bundle, rows: ParityRows, tmp_path: Path) -> None:
    """ONNX Runtime drops the dropout when it optimises, other runtimes do not: so the graph is read, too."""
    with pytest.raises(ConversionError, match="draws random numbers"):
        convert(ConversionJob(dropping, 1, tmp_path / "1", rows, load_engine), "onnx-fp32", SETTINGS)
    assert not (tmp_path / "1" / "onnx-fp32").exists()


def test_answers_in_training_mode_fail(dropping: Bundle, rows: ParityRows) -> None:
    """A runtime that does as the graph says draws its answers, and draws them again in other company."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(dropping.onnx_path), options)

    def ask(order: IntArray) -> FloatArray:
        logits = np.empty_like(rows.source_logits)
        for place in np.array_split(order, 20):
            logits[place] = session.run(None, dict(lay_out(rows.tokens.take(place), Layout.PADDED)))[0]
        return logits

    answers = Answers(ask(np.argsort(rows.tokens.lengths)), [ask(np.arange(len(rows)))])
    findings = {f.check: f for f in check_parity("tiny@1/onnx-fp32", rows, answers, Precision.FP32, SETTINGS)}
    for check in ("flip_rate", "accuracy_loss", "probability_difference", "composition"):
        assert findings[f"conversion.{check}"].verdict is Verdict.FAIL, check


def read_the_wrong_token(model: Any) -> None:
    """The last layer goes on with the token after each text's first."""
    one = onnx.numpy_helper.from_array(np.array([1]), "one")
    model.graph.initializer.append(one)
    gather = next(node for node in model.graph.node if "first_tokens" in node.input)
    gather.input[1] = "next_tokens"
    model.graph.node.insert(0, onnx.helper.make_node("Add", ["first_tokens", "one"], ["next_tokens"]))


def swap_positions(model: Any) -> None:
    set_weight(model, "_positions", lambda table: np.roll(table, 1, axis=0))


def corrupt_a_weight(model: Any) -> None:
    def corrupt(weight: FloatArray) -> FloatArray:
        weight[3, 5] += 30
        return weight

    set_weight(model, "_layers.0._widen._weight", corrupt)


def let_texts_see_each_other(model: Any) -> None:
    """The masks no longer weigh: texts that share a row attend to each other."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and onnx.numpy_helper.to_array(attribute.t).min() < -1e38:
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(np.array(0, np.float32)))


@pytest.mark.parametrize(
    ("damage", "seen_by"),
    [
        (read_the_wrong_token, "probability_difference"),
        (swap_positions, "probability_difference"),
        (corrupt_a_weight, "probability_difference"),
        (let_texts_see_each_other, "composition"),
    ],
)
def test_a_broken_unpadded_graph_fails(
    damage: Callable[[Any], None], seen_by: str, torch_job: ConversionJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export_broken(encoder: Any, path: Path) -> None:
        export_unpadded(encoder, path)
        model = onnx.load(str(path))
        damage(model)
        onnx.save(model, str(path))

    monkeypatch.setattr("seatrial.conversion.onnx_export.export_unpadded", export_broken)
    bundle = convert(torch_job, "onnx-fp32", SETTINGS)
    assert bundle.manifest.artifact.layout is Layout.PACKED
    assert not bundle.manifest.servable
    assert by_check(bundle)[seen_by].verdict is Verdict.FAIL
    assert by_check(bundle)["flip_rate"].verdict is not Verdict.PASS


def export_with_dropout(source: Bundle, path: Path) -> None:
    import torch
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        source.directory, attn_implementation="eager", hidden_dropout_prob=0.3
    )
    tensor = torch.ones(2, 9, dtype=torch.int64)
    axes = {0: "batch", 1: "sequence"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter: that it is old, and of this use of it
        torch.onnx.export(
            _logits_only(model).train(),
            (tensor, tensor),
            str(path),
            opset_version=17,
            dynamo=False,
            training=torch.onnx.TrainingMode.TRAINING,
            do_constant_folding=False,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
        )


class CompanyEngine:
    """Adds to every logit what depends on the size of the batch, as a graph that mixes up its texts would."""

    def __init__(self, bundle: Bundle) -> None:
        self._engine = load_engine(bundle)

    @property
    def artifact(self) -> Artifact:
        return self._engine.artifact

    def infer(self, inputs: Mapping[str, IntArray]) -> EngineOutput:
        logits = self._engine.infer(inputs).logits
        return EngineOutput(logits + np.array([0, 1e-3 * (32 - len(logits))], np.float32))

    def close(self) -> None:
        self._engine.close()


def test_answers_that_depend_on_company_fail(adopted: Bundle, adopted_rows: ParityRows, tmp_path: Path) -> None:
    settings = ConversionSettings(composition_rounds=1, fp32_probability_limit=0.9)
    bundle = convert(ConversionJob(adopted, 1, tmp_path / "1", adopted_rows, CompanyEngine), "onnx-fp32", settings)
    failed = [finding.check for finding in bundle.manifest.findings if finding.verdict is not Verdict.PASS]
    assert failed == ["conversion.composition"]


def test_a_text_file_is_no_model(adopted: Bundle, adopted_rows: ParityRows, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.mkdir()
    for name in adopted.manifest.files:
        (text / name).write_text("Dear reader, I am no model.\n", "utf-8")
    job = ConversionJob(Bundle(text, adopted.manifest), 1, tmp_path / "1", adopted_rows, load_engine)
    with pytest.raises(ConversionError, match="is no ONNX graph"):
        convert(job, "onnx-fp32", SETTINGS)
    assert left_behind(job) == []


@pytest.mark.parametrize("limit_bytes", [50, 100_000])
def test_a_full_disk_leaves_nothing_behind(torch_job: ConversionJob, limit_bytes: int) -> None:
    with file_size_limit(limit_bytes), pytest.raises(StorageFullError, match="free some space"):
        convert(torch_job, "onnx-fp32", SETTINGS)
    assert left_behind(torch_job) == []


@pytest.mark.parametrize("limit_bytes", [50, 100_000])
def test_a_full_disk_while_quantising_leaves_the_parent(torch_job: ConversionJob, limit_bytes: int) -> None:
    convert(torch_job, "onnx-fp32", LENIENT)
    with file_size_limit(limit_bytes), pytest.raises(StorageFullError, match="free some space"):
        convert(torch_job, "onnx-int8", LENIENT)
    assert left_behind(torch_job) == ["onnx-fp32"]
    assert convert(torch_job, "onnx-int8", LENIENT).manifest.servable
