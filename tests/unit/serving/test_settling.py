"""The reply of any request, however answering it ends."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from seatrial.domain.errors import InvalidRequestError
from seatrial.serving.asgi import Reply, json_reply
from seatrial.serving.settling import settle


async def ending(error: BaseException | None) -> Reply:
    if error is not None:
        raise error
    return json_reply(200, {})


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, 200), (InvalidRequestError("Wrong."), 400), (ZeroDivisionError("secret"), 500)],
)
def test_every_end_has_its_status(error: BaseException | None, status: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        reply = asyncio.run(settle(ending(error)))
    assert reply is not None
    assert reply.status == status
    assert b"secret" not in reply.body
    assert ("secret" in caplog.text) == (status == 500)


def test_who_has_left_gets_nothing() -> None:
    assert asyncio.run(settle(ending(ConnectionAbortedError()))) is None


def test_who_is_cut_off_is_told_so() -> None:
    async def scenario() -> Reply | None:
        async def waiting() -> Reply:
            await asyncio.Event().wait()
            raise AssertionError

        task = asyncio.create_task(settle(waiting()))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    reply = asyncio.run(scenario())
    assert reply is not None
    assert reply.status == 503
    assert "shut down" in json.loads(reply.body)["error"]
