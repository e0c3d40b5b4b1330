"""What is measured on: the demonstration's artifacts and held-out texts, and the plain export for the references."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import run
from seatrial.bundle import Bundle
from seatrial.domain.inference import IntArray, TokenBatch
from seatrial.engines.loading import load_engine
from seatrial.loadgen.plan import Expected
from seatrial.text.labels import label_names, softmax
from seatrial.text.layout import lay_out
from seatrial.text.tokenizer import Tokenizer

MODEL = "bert-sentiment"
MAX_TOKENS = 128
_REFERENCES = Path(__file__).parent / "references"


@dataclass(frozen=True)
class Material:
    """A project after its demonstration.

    Attributes:
        source: the Hugging Face directory of the version in production.
        artifacts: directories of its bundles, by artifact.
        findings: of its artifacts, by check and artifact.
        texts: held-out texts: real, and never trained on.
    """

    project: Path
    source: Path
    artifacts: dict[str, Path]
    findings: dict[tuple[str, str], dict[str, Any]]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, project: Path) -> Material:
        """Reads a project; prepares nothing that is there already."""
        if not (project / "seatrial.toml").is_file():
            raise SystemExit(f"{project} is no project: run make demo ARGS=--exit first, or name one with --project.")
        command = [sys.executable, "-m", "seatrial.cli", "models", "show", f"{MODEL}@production"]
        shown = json.loads(run([*command, "-C", str(project), "--json"]))
        return cls(
            project,
            Path(shown["source_uri"].removeprefix("file://")) / "source",
            {artifact["artifact"]: Path(artifact["directory"]) for artifact in shown["artifacts"]},
            {(f["check"], f["subject"].rpartition("/")[2]): f for f in shown["findings"]},
            _held_out(project),
        )

    def plain_export(self) -> Path:
        """A padded ONNX graph exported without Seatrial, made once for a source."""
        version = json.loads((self.source / "manifest.json").read_bytes())["manifest_sha256"]
        directory = self._made("plain", version)
        if not (directory / "tokenizer.json").is_file():  # written last
            quiet([sys.executable, str(_REFERENCES / "export.py"), str(self.source), str(directory)])
        return directory

    def mlflow_model(self, python: str) -> Path:
        """The plain export as a model of MLflow, saved by the environment that will serve it."""
        plain = self.plain_export()
        directory = self._made("mlflow", plain.name)
        if not (directory / "MLmodel").is_file():
            quiet([python, str(_REFERENCES / "mlflow_model.py"), str(plain), str(directory)])
        return directory

    def _made(self, kind: str, identity: str) -> Path:
        directory = self.project.resolve() / ".seatrial" / "cache" / "benchmarks"
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"{kind}-{identity[:16]}"


def _held_out(project: Path) -> tuple[str, ...]:
    from seatrial.domain.progress import SILENT
    from seatrial.flows.develop import prepared
    from seatrial.flows.project import Project

    with Project(project) as opened:
        return prepared(opened.workshop, SILENT).test.texts


def quiet(command: list[str]) -> None:
    """Runs a command whose many words nobody needs unless it fails."""
    run([*command], stderr=None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL)


def expected_answers(bundle: Bundle, texts: tuple[str, ...]) -> Expected:
    """What a bundle answers to each text, computed in this process, one text at a time."""
    signature = bundle.manifest.signature
    engine = load_engine(bundle)
    tokens = encoded(bundle, texts)
    logits = np.concatenate([engine.infer(_laid_out(bundle, tokens.take([i]))).logits for i in range(len(texts))])
    engine.close()
    return Expected(tuple(label_names(logits, signature.labels)), tuple(map(tuple, softmax(logits).tolist())))


def encoded(bundle: Bundle, texts: tuple[str, ...]) -> TokenBatch:
    """Token ids of the texts, cut as /predict cuts them by default."""
    tokenizer = Tokenizer.from_file(bundle.tokenizer_path, bundle.manifest.signature.max_tokens)
    return tokenizer.encode(texts, tokenizer.effective_length(MAX_TOKENS))


def _laid_out(bundle: Bundle, tokens: TokenBatch) -> dict[str, IntArray]:
    return lay_out(tokens, bundle.manifest.artifact.layout, bundle.manifest.pad_token_id)
