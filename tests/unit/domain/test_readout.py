"""Readouts as JSON."""

from __future__ import annotations

import json

from seatrial.domain.readout import Judgement, MetricReadout, Readout, Standing

METRIC = MetricReadout("bought", False, False, 10, 12, 0.2, 0.3, 0.1, -0.1, None, 1000.0, 0.05, Standing.OPEN, "Open.")
READOUT = Readout("e-1", "m@2", 5.0, Judgement.COLLECT, "More.", (METRIC,), 20, 21, -1.5, False)


def test_a_readout_is_written_with_words_and_finite_numbers() -> None:
    written = json.loads(json.dumps(READOUT.to_json(), allow_nan=False))
    assert written["judgement"] == "keep_collecting"
    (metric,) = written["metrics"]
    assert (metric["standing"], metric["high"]) == ("open", None)
    assert metric["e_value"] > 1e300, "evidence beyond what a float holds is cut, not lost"
