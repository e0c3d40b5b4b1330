"""The goals of serving, and what was measured against each: ratios of one sitting, so that they hold on any machine."""

from __future__ import annotations

from benchmarks.contestants import OURS, OURS_INT8
from benchmarks.material import Material
from benchmarks.rounds import Measured
from benchmarks.table import Goal

_TIMES, _SHARE = "{:.2f}x", "{:.2f}"


def goals(measured: Measured, material: Material) -> list[Goal]:
    """The table of goals. `at least` is what a release must show, `aim` what the design should reach."""
    ours = _rate(measured, OURS, "c32")
    exact = material.findings.get(("conversion.probability_difference", "onnx-fp32"), {}).get("value")
    at_rest = measured.memory.get("at rest")
    in_process = [
        _ratio(_rate(measured, OURS, scenario), measured.engine_median(OURS, "engine_texts_per_s"))
        for scenario in ("c32", "4x32")
    ]
    return [
        Goal(
            "c32 texts/s over the textbook service",
            _ratio(ours, _rate(measured, "textbook", "c32")), 3.5, 4.3, _TIMES,
        ),
        Goal("c32 texts/s over mlflow models serve", _ratio(ours, _rate(measured, "mlflow", "c32")), 1.6, 2.0, _TIMES),
        Goal(
            "c32 texts/s over plain FastAPI + ONNX Runtime",
            _ratio(ours, _rate(measured, "plain", "c32")), 1.5, 1.75, _TIMES,
        ),
        Goal("c32 over our engine's in-process rate", in_process[0], 0.90, 0.97, _SHARE),
        Goal("4x32 over our engine's in-process rate", in_process[1], 0.90, 0.97, _SHARE),
        Goal("8 clients: texts/s over c32 texts/s", _ratio(_rate(measured, OURS, "c8"), ours), 0.85, 0.95, _SHARE),
        Goal(
            "one client: p50 over that of plain FastAPI + ONNX Runtime with two threads",
            _ratio(_p50(measured, OURS, "c1"), _p50(measured, "plain-2", "c1")), 1.0, 0.75, _SHARE, least_is_best=True,
        ),
        Goal(
            "open loop at 70 % of c32: p99 over the p50 of one client",
            _ratio(measured.median(OURS, "open", lambda result: result.answered.p99_ms), _p50(measured, OURS, "c1")),
            12, 6, "{:.1f}x", least_is_best=True,
        ),
        Goal(
            "in-process engine over what sgemm at its peak would allow",
            _ratio(
                measured.engine_median(OURS, "engine_texts_per_s"), measured.engine_median(OURS, "roof_texts_per_s")
            ),
            0.82, 0.92, _SHARE,
        ),
        Goal("int8: c32 texts/s over fp32", _ratio(_rate(measured, OURS_INT8, "c32"), ours), 1.4, 1.7, _TIMES),
        Goal(
            "CPU a request outside engine and tokenizer, c32",
            measured.outside_median(), 250, 100, "{:.0f} us", least_is_best=True,
        ),
        Goal("fp32: largest probability difference to torch", exact, 1e-5, 5e-6, "{:.1e}", least_is_best=True),
        Goal(
            "memory at rest, fp32, one version (RSS)",
            None if at_rest is None else at_rest.rss_bytes / 1e6, 350, 250, "{:.0f} MB", least_is_best=True,
        ),
    ]  # fmt: skip


def _rate(measured: Measured, name: str, scenario: str) -> float | None:
    return measured.median(name, scenario, lambda result: result.texts_per_s)


def _p50(measured: Measured, name: str, scenario: str) -> float | None:
    return measured.median(name, scenario, lambda result: result.answered.p50_ms)


def _ratio(value: float | None, reference: float | None) -> float | None:
    return value / reference if value is not None and reference else None
