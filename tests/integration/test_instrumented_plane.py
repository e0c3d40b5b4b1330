"""The data plane with clocks that `make bench` measures with: what it says of its CPU adds up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.builders import onnx_bundle
from tests.serving_process import ServingProcess
from tests.waiting import free_port, until

ROOT = Path(__file__).parents[2]


def test_engine_and_tokenizer_are_parts_of_the_whole(tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "bundle")
    plane = ServingProcess(free_port(), free_port())
    command = [sys.executable, "-m", "benchmarks.instrumented", "serve", "--bundle", str(bundle.directory)]
    command += ["--port", str(plane.port), "--internal-port", str(plane.internal_port), "--grpc-port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            until(lambda: plane.get("/ready")[0] == 200, process)
            before = _spent(process)
            for _ in range(20):
                assert plane.predict(["good film", "bad plot"])["predictions"] == ["positive", "negative"]
            after = _spent(process)
        finally:
            process.terminate()
    spent = {name: after[name] - before[name] for name in after}
    assert spent["engine_s"] > 0
    assert spent["tokenizer_s"] > 0
    assert spent["process_s"] > spent["engine_s"] + spent["tokenizer_s"]


def _spent(process: subprocess.Popen[bytes]) -> dict[str, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    while not (line := process.stdout.readline()).startswith(b"{"):
        assert line, "the process ended"
    return dict(json.loads(line))
