"""Readouts survive JSON, and what is none is refused."""

from __future__ import annotations

import json

import pytest

from seatrial.domain.readout import Judgement, MetricReadout, Readout, Standing

METRIC = MetricReadout("bought", False, False, 10, 12, 0.2, 0.3, 0.1, -0.1, None, 1000.0, 0.05, Standing.OPEN, "Open.")
READOUT = Readout("e-1", "m@2", 5.0, Judgement.COLLECT, "More.", (METRIC,), 20, 21, -1.5, False)


def test_a_readout_survives_json() -> None:
    written = json.dumps(READOUT.to_json(), allow_nan=False)
    assert Readout.from_json(json.loads(written)) == READOUT


@pytest.mark.parametrize("missing", ["judgement", "metrics", "mismatched"])
def test_a_part_of_a_readout_is_none(missing: str) -> None:
    with pytest.raises(ValueError, match="no readout"):
        Readout.from_json({name: value for name, value in READOUT.to_json().items() if name != missing})


def test_a_part_of_a_metric_is_none() -> None:
    with pytest.raises(ValueError, match="no metric"):
        MetricReadout.from_json({"metric": "bought"})
    with pytest.raises(ValueError, match="dancing"):
        MetricReadout.from_json({**METRIC.to_json(), "standing": "dancing"})


def test_only_collecting_goes_on() -> None:
    assert [judgement for judgement in Judgement if not judgement.final] == [Judgement.COLLECT]
