"""What the engine can do without a server, and the machine without an engine; run in a process of its own.

    python -m benchmarks.in_process BUNDLE SOURCE SECONDS < texts.json

prints JSON: texts a second of one engine shared by one single-threaded worker a core, batches as the data plane cuts
them at full load, in random order; the peak of single-precision matrix products on the same cores; and how many texts
a second that peak would allow.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.machine import run, sgemm_peak_flops
from benchmarks.material import encoded
from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.domain.inference import TokenBatch
from seatrial.engines.loading import load_engine
from seatrial.serving.cores import usable_cores
from seatrial.text.layout import lay_out

_WARM_UP_S = 1.0


def measured(bundle: Path, source: Path, texts: tuple[str, ...], seconds: float) -> dict[str, float]:
    """Measures in a process of its own, whose libraries compute with one thread each."""
    command = [sys.executable, "-m", "benchmarks.in_process", str(bundle), str(source), str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    figures: dict[str, float] = json.loads(run(command, input=json.dumps(texts), env=environment))
    return figures


def main() -> None:
    """Measures and prints."""
    directory, source, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    bundle = Bundle.open(directory, verify=False)
    tokens = encoded(bundle, tuple(json.load(sys.stdin)))
    peak = sgemm_peak_flops(usable_cores())
    flops = flops_a_text(json.loads((source / "config.json").read_bytes()), tokens.lengths.tolist())
    per_s = engine_texts_per_s(bundle, tokens, seconds)
    print(json.dumps({"engine_texts_per_s": per_s, "sgemm_flops": peak, "roof_texts_per_s": peak / flops}))


def engine_texts_per_s(bundle: Bundle, tokens: TokenBatch, seconds: float) -> float:
    """Texts a second through one engine that a worker a core calls, as the data plane does at full load."""
    size = ServingSettings().max_batch_texts
    order = random.Random(0).sample(range(len(tokens)), len(tokens))
    batches = itertools.cycle([tokens.take(order[at : at + size]) for at in range(0, len(order) - size + 1, size)])
    manifest = bundle.manifest
    engine = load_engine(bundle)
    start_s = time.perf_counter() + _WARM_UP_S
    stop_s = start_s + seconds

    def work(done: list[int]) -> None:
        while (batch := next(batches)) is not None:  # next() of one iterator is atomic under the interpreter's lock
            engine.infer(lay_out(batch, manifest.artifact.layout, manifest.pad_token_id))
            now_s = time.perf_counter()
            if now_s >= stop_s:
                return
            if now_s >= start_s:
                done.append(len(batch))

    counts: list[list[int]] = [[] for _ in range(usable_cores())]
    workers = [threading.Thread(target=work, args=(done,)) for done in counts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(map(sum, counts)) / seconds


def flops_a_text(config: Mapping[str, int], lengths: Sequence[int]) -> float:
    """Operations that a BERT classifier cannot do without, on average over texts of these lengths in tokens.

    Its last layer computes queries, output and feed-forward for each text's first token only: nothing reads the rest.

    Example:
        >>> flops_a_text({"hidden_size": 1, "intermediate_size": 4, "num_hidden_layers": 1}, [1])
        28.0
    """
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    rest = config["num_hidden_layers"] - 1
    keys_and_values, first = 4 * hidden**2, 4 * hidden**2 + 4 * hidden * inner

    def operations(tokens: int) -> int:
        whole_layers = rest * (tokens * (keys_and_values + first) + 4 * hidden * tokens**2)
        return whole_layers + tokens * keys_and_values + first + 4 * hidden * tokens

    return sum(map(operations, lengths)) / len(lengths)


if __name__ == "__main__":
    main()
