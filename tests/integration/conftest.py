"""One project with a real registry, made once for all tests of its upkeep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seatrial.domain.evidence import Verdict, worst
from seatrial.domain.progress import SILENT
from seatrial.flows import audit
from seatrial.flows.backup import BackedUp, back_up
from seatrial.flows.deploy import first_release
from seatrial.flows.followers import anchor
from seatrial.wiring.workshop import Workshop
from tests.backups import KEY, SETTINGS, opened
from tests.houses import MODEL, enrol, make_artifact


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Version 1 in production, 2 never served, 3 the candidate, a journal, and things that no backup takes."""
    directory = tmp_path_factory.mktemp("origin")
    home = directory / ".seatrial"
    (home / "journal").mkdir(parents=True)
    (home / "key").write_bytes(b"a key of the auditors")
    (directory / "seatrial.toml").write_text(SETTINGS + KEY)
    workshop = opened(directory)
    for seed in (1.0, 0.5, 0.25):
        version = enrol(workshop, seed)
        make_artifact(workshop, version)
        first_release(workshop, version)
    anchor(workshop, MODEL)
    (home / "journal" / "0001764037284123.journal").write_bytes(b'65253ccb {"at_s":1.5}\n65253ccb {"at_s"')
    (home / "traffic.json").write_text("{}")
    (home / ".index.json.abcd1234").write_text("half")
    assert worst(audit.verify(workshop, [])) is Verdict.PASS
    yield workshop
    workshop.close()


@pytest.fixture(scope="session")
def backup(origin: Workshop, tmp_path_factory: pytest.TempPathFactory) -> BackedUp:
    """Of that project."""
    return back_up(origin, tmp_path_factory.mktemp("backups") / "monday", SILENT)
