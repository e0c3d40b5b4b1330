"""`python -m seatrial.cli`: the command line where the script is not on PATH."""

from __future__ import annotations

from seatrial.cli.main import run

if __name__ == "__main__":
    run()
