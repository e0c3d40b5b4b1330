"""Signatures, verified by the recipe of the documentation: code that shares nothing with ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from seatrial.domain.errors import ConfigError
from seatrial.notifications.signing import new_secret, parse_secrets, signed_headers

PAGE = Path(__file__).parents[3] / "docs" / "notifications.md"
BODY, NOW_S = b'{"type":"test"}', 1_700_000_000


@pytest.fixture(scope="module")
def verified() -> Any:
    """The function that the documentation gives to receivers."""
    (recipe,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(recipe, names)
    return names["verified"]


def headers_of(secret: str, notice_id: str = "7-ab", timestamp_s: int = NOW_S) -> dict[str, str]:
    return signed_headers(parse_secrets(secret, "here"), notice_id, timestamp_s, BODY)


@pytest.mark.parametrize("secret", [new_secret(), "any text of sixteen bytes"], ids=["ours", "theirs"])
def test_the_recipe_takes_a_message_once(verified: Any, secret: str) -> None:
    seen: set[str] = set()
    told = {"secret": secret, "headers": headers_of(secret), "body": BODY, "seen": seen, "now": lambda: NOW_S}
    assert verified(**told)
    assert not verified(**told)
    assert seen == {"7-ab"}


@pytest.mark.parametrize(
    "change",
    [
        {"body": BODY + b" "},
        {"secret": "another text of sixteen"},
        {"now": lambda: NOW_S + 301},
        {"now": lambda: NOW_S - 301},
        {"headers": {**headers_of("any text of sixteen bytes"), "webhook-id": "8-cd"}},
        {"headers": {**headers_of("any text of sixteen bytes"), "webhook-timestamp": str(NOW_S + 1)}},
        {"headers": {**headers_of("any text of sixteen bytes"), "webhook-signature": "v1,AAAA v2,x"}},
    ],
)
def test_the_recipe_refuses_what_is_not_ours(verified: Any, change: dict[str, Any]) -> None:
    secret, seen = "any text of sixteen bytes", set[str]()
    told = {"secret": secret, "headers": headers_of(secret), "body": BODY, "seen": seen, "now": lambda: NOW_S}
    assert verified(**told)
    seen.clear()
    assert not verified(**{**told, **change})
    assert not seen


def test_both_secrets_sign_while_one_replaces_the_other(verified: Any) -> None:
    old, new = new_secret(), new_secret()
    headers = headers_of(f"{old}\n\n{new}\n")
    assert len(headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        assert verified(secret, headers, BODY, set(), now=lambda: NOW_S)


def test_the_vector_of_the_specification() -> None:
    """Made by the authors of Standard Webhooks for their own libraries."""
    body = b'{"test": 2432232314}'
    keys = parse_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "here")
    headers = signed_headers(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "written", ["", " \n\n", "short", "whsec_", "whsec_c2hvcnQ=", "whsec_no*base64", f"{'x' * 20}\nshort"]
)
def test_a_secret_that_is_none_is_refused_without_showing_it(written: str) -> None:
    with pytest.raises(ConfigError, match="new-webhook-secret") as refused:
        parse_secrets(written, "control.webhook_secret_file")
    for line in filter(None, written.split()):
        assert line.removeprefix("whsec_") not in str(refused.value) or line == "whsec_"
