"""Every check leaves a finding, whatever happens. Real trials: tests/integration/test_acceptance.py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from seatrial.acceptance.judgement import CHECKS
from seatrial.acceptance.subject import Served
from seatrial.acceptance.trial import quicker, try_version
from seatrial.config import AcceptanceSettings
from seatrial.domain.errors import NotReadyError
from seatrial.domain.evidence import Verdict
from seatrial.domain.progress import SILENT
from tests.trials import REF, SHORT, AtAddress, subject
from tests.waiting import free_port


def broken() -> contextlib.AbstractContextManager[Served]:
    raise NotReadyError("The data plane ended before it was ready: its words above say why.")


@contextlib.contextmanager
def deserted() -> Iterator[Served]:
    """A process that has announced itself, and is gone."""
    address = f"http://127.0.0.1:{free_port()}"
    yield AtAddress(address, address, pid=2**22 + 1)


def test_a_version_that_does_not_start_gets_every_finding() -> None:
    trial = try_version(subject(), broken, SHORT, SILENT)
    assert tuple(finding.check for finding in trial.findings) == CHECKS
    assert {(finding.verdict, finding.subject) for finding in trial.findings} == {(Verdict.ERROR, REF)}
    assert all("ended before it was ready" in finding.reason for finding in trial.findings)
    assert trial.curve == ()


def test_a_version_that_dies_gets_every_finding_and_none_of_them_about_work_passes() -> None:
    hasty = {"memory_requests": 100, "window_s": 0.1, "curve_window_s": 0.1, "rate_per_s": 1000.0}
    short = SHORT.model_copy(update={**hasty, "curve_clients": (1,)})
    trial = try_version(subject(), deserted, short, SILENT)
    assert tuple(finding.check for finding in trial.findings) == CHECKS
    passed = {finding.check for finding in trial.findings if finding.verdict is Verdict.PASS}
    assert passed == {"acceptance.start_up"}


def test_a_quick_trial_keeps_the_limits() -> None:
    usual = AcceptanceSettings()
    quick = quicker(usual)
    lasting = {"window_s", "curve_window_s", "overload_s", "memory_requests"}
    assert usual.model_dump(exclude=lasting) == quick.model_dump(exclude=lasting)
    assert all(getattr(quick, name) == getattr(usual, name) / 4 for name in lasting)
    assert AcceptanceSettings.model_validate(quick.model_dump()) == quick
