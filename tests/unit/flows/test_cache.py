from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.flows.cache import StepCache, code_sha256, key_of


def test_a_step_is_recalled_under_its_own_key_only(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    key = key_of(settings={"a": 1}, data="x")
    assert cache.recall("train", key) is None
    cache.remember("train", key, {"sha256": "abc"})
    assert cache.recall("train", key) == {"sha256": "abc"}
    assert cache.recall("train", key_of(settings={"a": 2}, data="x")) is None
    assert cache.recall("prepare", key) is None


def test_a_step_that_left_files_but_never_ended_is_not_recalled(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    (cache.directory_for("train", "k") / "model.safetensors").write_bytes(b"half")
    assert cache.recall("train", "k") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_an_unreadable_note_counts_as_not_done(tmp_path: Path, text: str) -> None:
    cache = StepCache(tmp_path)
    (cache.directory_for("train", "k") / "result.json").write_text(text)
    assert cache.recall("train", "k") is None


def test_the_key_changes_with_every_part() -> None:
    keys = {key_of(a=1, b=2), key_of(a=2, b=1), key_of(a=1), key_of(a="1", b=2), key_of(a=1, b=[2])}
    assert len(keys) == 5


def test_the_code_digest_is_that_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_step"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "work.py").write_text("ANSWER = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_sha256("some_step")
    assert code_sha256("some_step") == before
    (package / "work.py").write_text("ANSWER = 2\n")
    assert code_sha256("some_step") != before
