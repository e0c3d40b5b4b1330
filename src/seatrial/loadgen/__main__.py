"""``python -m seatrial.loadgen``: a load as JSON on standard input, its result as JSON on standard output."""

from __future__ import annotations

import asyncio
import sys

import msgspec
import uvloop

from seatrial.loadgen.plan import Load
from seatrial.loadgen.running import run_load

__all__: list[str] = []

if __name__ == "__main__":
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run_load(load))
    sys.stdout.buffer.write(msgspec.json.encode(result.to_json()))
