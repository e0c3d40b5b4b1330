"""The reply of any request, however answering it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from seatrial.domain.errors import NotReadyError, SeatrialError
from seatrial.serving.asgi import Reply
from seatrial.serving.http_errors import error_reply

__all__ = ["settle"]

logger = logging.getLogger(__name__)


async def settle(answer: Awaitable[Reply], refuse: Callable[[Exception], Reply] = error_reply) -> Reply | None:
    """The answer, or the refusal that its error stands for; None where nobody is left to read it.

    Args:
        answer: raises ConnectionAbortedError when the client has left.
    """
    try:
        return await answer
    except ConnectionAbortedError:
        return None
    except asyncio.CancelledError:  # the server's time to drain is over: say so instead of falling silent
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return refuse(NotReadyError("The server shut down before it could answer: send the request again."))
    except SeatrialError as error:
        return refuse(error)
    except Exception as error:
        logger.exception("request failed")
        return refuse(error)
