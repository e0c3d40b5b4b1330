"""Keys in files, and how often each may be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.errors import ConfigError, RateLimitedError, UnauthenticatedError
from seatrial.serving.api_keys import KeyRing, TokenBucket, key_line, new_key, parse_keys

DIGEST = "ab" * 32


def ring(path: Path, *lines: str) -> KeyRing:
    path.write_text("\n".join(lines))
    return KeyRing(path)


def test_a_new_key_is_let_in_by_its_line_and_by_nothing_else(tmp_path: Path) -> None:
    key, other = new_key(), new_key()
    keys = ring(tmp_path / "keys", "# who may ask", "", key_line("shop", key), key_line("app", other, 5))
    assert keys.admit(f"Bearer {key}", 0.0) == "shop"
    assert keys.admit(f"bearer   {other} ", 0.0) == "app"
    assert key not in (tmp_path / "keys").read_text()
    for wrong in (None, "", "Bearer", "Bearer ", f"Basic {key}", key, f"Bearer {key}x", f"Bearer {key[:-1]}"):
        with pytest.raises(UnauthenticatedError):
            keys.admit(wrong, 0.0)
    for strange in ("Bearer " + "x" * 100_000, "Bearer \udcff", "Bearer é", f"Bearer {key} {key}"):
        with pytest.raises(UnauthenticatedError):
            keys.admit(strange, 0.0)


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert min(map(len, keys)) >= 46


def test_an_empty_file_lets_nobody_in(tmp_path: Path) -> None:
    with pytest.raises(UnauthenticatedError):
        ring(tmp_path / "keys").admit("Bearer x", 0.0)


@pytest.mark.parametrize(
    "line",
    [
        "shop",
        "shop:",
        f"shop:{DIGEST}x",
        f"shop:{DIGEST[1:]}",
        f"shop:{DIGEST}:",
        f"shop:{DIGEST}:0",
        f"shop:{DIGEST}:-1",
        f"shop:{DIGEST}:1.5",
        f"shop:{DIGEST}:1:2",
        f"shop:{DIGEST}:9999999999999",
        f"a shop:{DIGEST}",
        f":{DIGEST}",
        f"{'n' * 65}:{DIGEST}",
        f"shop:{DIGEST}:٣",
    ],
)
def test_a_line_that_is_no_key_is_named(line: str) -> None:
    with pytest.raises(ConfigError, match=r"keys, line 2 .*new-key"):
        parse_keys(f"a:{'0' * 64}\n{line}", "keys")


@pytest.mark.parametrize("again", [f"shop:{'0' * 64}", f"other:{DIGEST.upper()}"])
def test_a_name_or_a_key_stands_there_once(again: str) -> None:
    with pytest.raises(ConfigError, match="line 2"):
        parse_keys(f"shop:{DIGEST}\n{again}", "keys")


@pytest.mark.parametrize(("name", "limit"), [("a shop", None), ("", None), ("a#b", None), ("shop", 0), ("shop", -3)])
def test_no_line_is_made_that_could_not_be_read(name: str, limit: int | None) -> None:
    with pytest.raises(ConfigError):
        key_line(name, "x", limit)


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        KeyRing(tmp_path / "absent")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        KeyRing(tmp_path / "binary")


def test_a_key_may_ask_so_often_and_is_told_when_to_come_back(tmp_path: Path) -> None:
    key = new_key()
    keys = ring(tmp_path / "keys", key_line("shop", key, 3))
    for _ in range(3):
        keys.admit(f"Bearer {key}", 100.0)
    with pytest.raises(RateLimitedError, match="shop may ask 3 times") as refusal:
        keys.admit(f"Bearer {key}", 100.0)
    assert refusal.value.retry_after_s == pytest.approx(20)
    assert keys.admit(f"Bearer {key}", 120.0 + 1e-6) == "shop"


def test_rereading_takes_keys_in_and_out_and_forgets_no_use(tmp_path: Path) -> None:
    old, kept = new_key(), new_key()
    keys = ring(tmp_path / "keys", key_line("old", old), key_line("kept", kept, 1))
    keys.admit(f"Bearer {kept}", 0.0)
    (tmp_path / "keys").write_text(key_line("kept", kept, 1))
    keys.reread()
    with pytest.raises(UnauthenticatedError):
        keys.admit(f"Bearer {old}", 0.0)
    with pytest.raises(RateLimitedError):
        keys.admit(f"Bearer {kept}", 0.0)
    (tmp_path / "keys").write_text(key_line("kept", kept, 2))
    keys.reread()
    assert keys.admit(f"Bearer {kept}", 0.0) == "kept"


def test_a_file_that_went_bad_changes_nothing(tmp_path: Path) -> None:
    key = new_key()
    keys = ring(tmp_path / "keys", key_line("shop", key))
    (tmp_path / "keys").write_text("rubbish")
    with pytest.raises(ConfigError):
        keys.reread()
    assert keys.admit(f"Bearer {key}", 0.0) == "shop"


@given(per_minute=st.integers(1, 100), steps=st.lists(st.floats(0, 30), max_size=200))
def test_a_bucket_never_gives_more_than_its_rate_and_one_filling(per_minute: int, steps: list[float]) -> None:
    bucket, now_s, taken = TokenBucket(per_minute, 0.0), 0.0, 0
    for step_s in steps:
        now_s += step_s
        taken += bucket.take(now_s) == 0
    assert taken <= per_minute * (1 + now_s / 60) + 1e-6


@given(per_minute=st.integers(1, 100))
def test_who_comes_back_when_told_is_served(per_minute: int) -> None:
    bucket, now_s = TokenBucket(per_minute, 0.0), 0.0
    for _ in range(per_minute):
        assert bucket.take(now_s) == 0
    for _ in range(5):
        wait_s = bucket.take(now_s)
        assert 0 < wait_s <= 60 / per_minute + 1e-6
        now_s += wait_s + 1e-6
        assert bucket.take(now_s) == 0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1, 100.0)
    assert bucket.take(100.0) == 0
    assert bucket.take(0.0) > 0
