"""What `models verify` and `models history` notice. Each check is seen to fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seatrial.bundle import MANIFEST_FILE
from seatrial.domain.errors import UnknownModelError, UsageError
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.model import Alias
from seatrial.flows import audit, followers
from seatrial.flows.deploy import first_release
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL, enrol, make_artifact, open_workshop


@pytest.fixture
def released(workshop: Workshop) -> Workshop:
    """Version 1 in production, all on record and anchored."""
    version = enrol(workshop)
    make_artifact(workshop, version)
    first_release(workshop, version)
    followers.anchor(workshop, MODEL)
    return workshop


def _failed(findings: list[Finding]) -> set[str]:
    return {finding.check for finding in findings if finding.verdict is not Verdict.PASS}


def test_an_untouched_record_verifies(released: Workshop) -> None:
    findings = audit.verify(released, [])
    assert worst(findings) is Verdict.PASS, findings
    assert {
        "ledger.chain",
        "ledger.anchor",
        "ledger.intents",
        "artifact.digest",
        "registry.roles",
        "index.aliases",
    } <= {finding.check for finding in findings}


def test_a_changed_byte_of_an_artifact_is_noticed(released: Workshop) -> None:
    path = released.settings.bundles_dir / MODEL / "1" / "onnx-fp32" / "model.onnx"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert _failed(audit.verify(released, [MODEL])) == {"artifact.digest"}


def test_another_whole_bundle_in_its_place_is_noticed(released: Workshop) -> None:
    from tests.builders import onnx_bundle

    onnx_bundle(released.settings.bundles_dir / MODEL / "1" / "onnx-fp32", model=MODEL, sign=-1.0)
    assert "artifact.digest" in _failed(audit.verify(released, [MODEL]))


def test_a_missing_bundle_is_noticed(released: Workshop) -> None:
    (released.settings.bundles_dir / MODEL / "1" / "onnx-fp32" / MANIFEST_FILE).unlink()
    assert _failed(audit.verify(released, [MODEL])) == {"artifact.digest"}


def test_a_foreign_alias_is_noticed_and_taken_back_by_repair(released: Workshop) -> None:
    enrol(released, 0.5)
    followers.anchor(released, MODEL)
    released.registry.set_alias(MODEL, Alias.PRODUCTION, 2)
    assert "registry.roles" in _failed(audit.verify(released, [MODEL]))
    audit.verify(released, [MODEL], repair=True)
    assert _failed(audit.verify(released, [MODEL])) == set()
    assert released.registry.aliases(MODEL)[Alias.PRODUCTION] == 1


@pytest.mark.parametrize("content", ["", "{", '{"format_version": 1, "models": {}}'])
def test_a_spoilt_index_is_noticed_and_written_anew_by_repair(released: Workshop, content: str) -> None:
    released.index.path.write_text(content)
    assert _failed(audit.verify(released, [MODEL])) == {"index.aliases"}
    audit.verify(released, [MODEL], repair=True)
    assert _failed(audit.verify(released, [MODEL])) == set()
    assert json.loads(released.index.path.read_text())["models"][MODEL]["versions"]["1"]["artifacts"]


def test_an_index_that_leads_elsewhere_is_noticed_and_mended_by_repair(released: Workshop) -> None:
    document = json.loads(released.index.path.read_text())
    (artifact,) = document["models"][MODEL]["versions"]["1"]["artifacts"].values()
    whole = dict(artifact)
    artifact["path"] = f"{MODEL}/1/another"
    released.index.path.write_text(json.dumps(document))
    assert _failed(audit.verify(released, [MODEL])) == {"index.aliases"}
    audit.verify(released, [MODEL], repair=True)
    assert _failed(audit.verify(released, [MODEL])) == set()
    assert released.index.read()["models"][MODEL]["versions"]["1"]["artifacts"]["onnx-fp32"] == whole


def test_repairing_one_model_leaves_the_others_in_the_index(released: Workshop) -> None:
    released.index.set_aliases("other", {"production": 3})
    released.index.set_aliases(MODEL, {})
    audit.verify(released, [MODEL], repair=True)
    assert released.index.aliases("other") == {"production": 3}
    assert released.index.aliases(MODEL) == {"production": 1}


def test_decided_moves_that_have_not_been_made_are_no_success(released: Workshop) -> None:
    enrol(released, 0.5)
    released.store.move_aliases(MODEL, {Alias.PREVIOUS: 2}, actor="test", reason="Killed right after this.")
    found = {finding.check: finding for finding in audit.verify(released, [MODEL])}
    assert found["registry.roles"].verdict is Verdict.INCONCLUSIVE
    audit.verify(released, [MODEL], repair=True)
    assert _failed(audit.verify(released, [MODEL])) == set()
    assert released.registry.aliases(MODEL)[Alias.PREVIOUS] == 2


def test_a_model_that_vanished_from_the_registry_is_noticed(released: Workshop, tmp_path: Path) -> None:
    emptied = open_workshop(tmp_path, MemoryRegistry(tmp_path / "emptied"))
    for names in ([], [MODEL]):
        assert "registry.roles" in _failed(audit.verify(emptied, names))
    assert "registry.roles" in _failed(audit.verify(emptied, [], repair=True)), "nothing can be repaired there"
    emptied.close()


def test_a_head_from_the_log_that_is_not_in_the_chain_is_noticed(released: Workshop) -> None:
    assert "ledger.anchor" in _failed(audit.verify(released, [], heads=[f"3:{'a' * 64}"]))


def test_a_ledger_that_lost_its_tail_is_noticed_by_the_anchor(tmp_path: Path) -> None:
    registry = MemoryRegistry(tmp_path / "registry")
    full = open_workshop(tmp_path, registry)
    enrol(full)
    followers.anchor(full, MODEL)
    full.close()
    (tmp_path / ".seatrial" / "seatrial.db").unlink()
    for leftover in (tmp_path / ".seatrial").glob("seatrial.db-*"):
        leftover.unlink()
    emptied = open_workshop(tmp_path, registry)
    assert "ledger.anchor" in _failed(audit.verify(emptied, [MODEL]))
    emptied.close()


@pytest.mark.parametrize("head", ["", "x", "3", "3:zz"])
def test_a_head_that_cannot_be_read_is_refused(released: Workshop, head: str) -> None:
    with pytest.raises(UsageError):
        audit.verify(released, [], heads=[head])


def test_a_spoilt_tag_in_the_registry_is_noticed_and_mended_by_repair(released: Workshop) -> None:
    released.registry.set_tag(MODEL, followers.HEAD_TAG, "nonsense")
    assert "registry.head" in _failed(audit.verify(released, [MODEL]))
    audit.verify(released, [MODEL], repair=True)
    assert _failed(audit.verify(released, [MODEL])) == set()


def test_an_unknown_model_is_refused(released: Workshop) -> None:
    with pytest.raises(UnknownModelError):
        audit.verify(released, ["nobody"])
    with pytest.raises(UnknownModelError):
        audit.history(released, "nobody")
    with pytest.raises(UnknownModelError):
        audit.production_at(released, "nobody", datetime.now(UTC))


def test_history_tells_what_was_in_production_and_why(released: Workshop) -> None:
    now = datetime.now(UTC) + timedelta(seconds=1)
    version, entry = audit.production_at(released, MODEL, now)
    assert version == 1
    assert entry is not None
    assert [finding["verdict"] for finding in entry.payload["findings"]] == ["pass", "pass"]
    assert audit.production_at(released, MODEL, now - timedelta(days=1)) == (None, None)
