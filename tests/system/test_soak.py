"""A reduced soak: what must hold on any machine, however busy. `make soak` runs it whole, and times it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.hardships import Check, Sizes, Subject, killed, overloaded, swapped, terminated
from benchmarks.material import expected_answers
from benchmarks.rollouts import rolled_out
from benchmarks.soak import project_of
from tests.builders import onnx_bundle, random_texts

pytestmark = pytest.mark.slow

VERSIONS = {"1": 1.0, "2": -1.0, "3": 0.5}
"""Each version answers differently: the second calls good what is bad, the third is half as sure."""
SIZES = Sizes(
    requests=10_000,
    released=2_000,
    clients=8,
    capacity_s=0.5,
    overload_s=1.5,
    overload_texts=16,
    most_per_s=1500,
    before_signal_s=0.3,
)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    project = tmp_path_factory.mktemp("soak")
    texts = tuple(random_texts(500, seed=3)[0])
    bundles = {
        version: onnx_bundle(
            project / ".seatrial" / "bundles" / "tiny" / version / "onnx-fp32", version=int(version), sign=sign
        )
        for version, sign in VERSIONS.items()
    }
    expected = {version: expected_answers(bundle, texts) for version, bundle in bundles.items()}
    assert len({answers.probabilities for answers in expected.values()}) == len(VERSIONS)
    return Subject(project_of("tiny", list(bundles.values()), project), "tiny", tuple(VERSIONS), texts, expected)


@pytest.mark.parametrize(
    "hardship", [swapped, rolled_out, overloaded, terminated, killed], ids=lambda hardship: hardship.__name__
)
def test_a_hardship_is_borne(subject: Subject, hardship: Callable[[Subject, Sizes], list[Check]]) -> None:
    checks = [check for check in hardship(subject, SIZES) if not check.needs_idle]
    assert len(checks) > 2
    assert [check for check in checks if not check.met] == []
