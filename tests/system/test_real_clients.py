"""Clients that other people wrote: NVIDIA's tritonclient, in an environment of its own, and MLflow's scoring client."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.builders import onnx_bundle, random_texts
from tests.data_plane import Running, running
from tests.servers import absent

pytestmark = pytest.mark.slow

PINS = (
    "tritonclient==2.73.0", "aiohttp==3.14.5", "geventhttpclient==2.6.1", "gevent==26.9.0", "grpcio==1.85.3",
    "numpy==2.4.6", "packaging==26.3",
    "protobuf==6.33.6", "python-rapidjson==1.25",
)  # fmt: skip
"""tritonclient holds protobuf below 7, and its stubs take the name of ours: it needs a process of its own."""
DRIVER = Path(__file__).parents[1] / "triton_clients.py"
TEXTS = random_texts(12, seed=3)[0]


@pytest.fixture(scope="session")
def triton_python() -> Path:
    """The Python of an environment with tritonclient, kept for the next run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "seatrial-tests"
    key = hashlib.sha256(f"{PINS}{sys.version}".encode()).hexdigest()[:16]
    environment = cache / f"tritonclient-{key}"
    python = environment / "bin" / "python"
    if not (environment / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True, timeout=120)
        command = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", *PINS]
        ended = subprocess.run(command, env=_clean_environment(), capture_output=True, text=True, timeout=300)
        if ended.returncode:
            if "connection broken by" in ended.stderr:
                absent("the package index does not answer, and tritonclient is fetched from it")
            pytest.fail(ended.stderr[-4000:])
        (environment / "complete").touch()
    return python


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running([onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")], grpc=True, grpc_port=0) as run:
        yield run


def test_tritonclient_gets_what_predict_answers(triton_python: Path, plane: Running) -> None:
    expected = plane.predict(TEXTS).document
    http_address = plane.addresses.public_url.removeprefix("http://")
    driven = subprocess.run(
        [triton_python, DRIVER, http_address, str(plane.addresses.grpc), json.dumps(TEXTS)],
        env=_clean_environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert driven.returncode == 0, driven.stderr[-4000:]
    answers = json.loads(driven.stdout)
    assert "tiny" in answers.pop("http refusal")
    assert set(answers) == {"http", "http, a version", "http, gzip", "http aio", "grpc", "grpc aio"}
    for name, answer in answers.items():
        assert answer["labels"] == expected["predictions"], name
        assert answer["probabilities"] == pytest.approx(np.array(expected["probabilities"]), abs=1e-5), name


def test_mlflows_client_gets_what_predict_answers(plane: Running) -> None:
    expected = plane.predict(TEXTS).document
    host, _, port = plane.addresses.public_url.removeprefix("http://").partition(":")
    driven = subprocess.run(
        [sys.executable, DRIVER.with_name("mlflow_client.py"), host, port, json.dumps(TEXTS)],
        env=_clean_environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert driven.returncode == 0, driven.stderr[-4000:]
    answer = json.loads(driven.stdout)
    assert answer["label"] == expected["predictions"]
    assert answer["probabilities"] == pytest.approx(np.array(expected["probabilities"]), abs=1e-5)


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SEATRIAL_"))}
