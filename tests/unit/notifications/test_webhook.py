"""A signed message over the network, verified by what the documentation gives to receivers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from seatrial.notifications.notices import Notice
from seatrial.notifications.posting import Post
from seatrial.notifications.signing import parse_secrets
from seatrial.notifications.webhook import Webhook
from tests.receivers import receiving

SECRET = "any text of sixteen bytes"


def test_the_signature_is_over_what_arrives() -> None:
    with receiving() as receiver:
        webhook = Webhook(Post(receiver.url, 10.0), parse_secrets(SECRET, "here"))
        webhook.send(Notice("7-ab", 7, "decision", "2026-03-03T12:00:00Z", {"sentence": "Grüße"}), 1_700_000_000.9)
        webhook.close()
    ((_, headers, body),) = receiver.came
    signed = b"7-ab.1700000000." + body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(body)["data"] == {"sentence": "Grüße"}
    assert webhook.shown.endswith("/***")
