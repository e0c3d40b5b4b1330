"""Where logs go: for people on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from seatrial.cli.output import complain
from seatrial.domain.errors import UsageError

__all__ = ["JsonLines", "People", "configure_logging"]

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(level: str) -> None:
    """Logs of Seatrial to standard error: for people on a terminal, else JSON lines. Other libraries: warnings only.

    Args:
        level: empty for the default: a terminal shows warnings; where there is none, INFO is written too, so that
            decisions and ledger heads reach whatever keeps the logs.

    Raises:
        UsageError: there is no such level.
    """
    terminal = sys.stderr.isatty()
    wanted = (level or ("warning" if terminal else "info")).upper()
    if wanted not in logging.getLevelNamesMapping():
        raise UsageError(f"{level!r} is no log level: use debug, info, warning or error.")
    handler = _StandardError()
    handler.setFormatter(People() if terminal else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("seatrial").setLevel(wanted)
    logging.captureWarnings(True)


class JsonLines(logging.Formatter):
    """A log record as one JSON line: constant event text, facts as fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        document = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            **_facts(record),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


class People(logging.Formatter):
    """A log record for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Level, event and facts on one line; a trace below it."""
        facts = "".join(f" {key}={value}" for key, value in _facts(record).items())
        text = f"{record.levelname.lower()}: {record.getMessage()}{facts}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class _StandardError(logging.Handler):
    """Writes to what standard error is at the moment: while bars are shown, rich keeps them below the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            complain(self.format(record))
        except Exception:  # noqa: BLE001  as every handler: a record that cannot be written must not stop the work
            self.handleError(record)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS}
