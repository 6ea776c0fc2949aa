"""Log one JSON object per line on stderr, and keep the libraries quiet."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Final

# How many similar records (same logger, same message except for numbers) to show per minute.
_ALIKE_A_MINUTE: Final = 5
_MINUTE_SECONDS: Final = 60.0
_VARYING: Final = re.compile(r"\d+")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats time, level, logger, message, and everything passed as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # Not orjson, which refuses text that is not valid UTF-8 (such as some paths), so the line would be lost.
        return json.dumps(line, default=str)


class AlikeFilter(logging.Filter):
    """Shows the first five of similar records per minute, and later reports how many were left out.

    Records are similar if they differ only in numbers. While a broker is away, each client reports that many times
    a second: ten thousand lines a minute.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = Lock()
        self._began = clock()
        self._shown: Counter[tuple[str, str]] = Counter()
        self._not_shown: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to show a record; its ``not_shown`` is the number of similar ones left out before it."""
        try:
            alike = record.name, _VARYING.sub("", record.getMessage())
        except Exception:  # the arguments do not fit the message: the handler reports that without raising
            return True
        with self._lock:
            if self._clock() - self._began >= _MINUTE_SECONDS:
                self._began = self._clock()
                self._shown.clear()
            if self._shown[alike] == _ALIKE_A_MINUTE:
                self._not_shown[alike] += 1
                return False
            self._shown[alike] += 1
            if count := self._not_shown.pop(alike, 0):
                record.not_shown = count
            return True


def configure_logging(*, debug: bool = False) -> None:
    """Log our records from INFO on (with ``debug``: all), and those of libraries from WARNING on, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(AlikeFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # This is not only for readability: the libraries' debug records cost 14 % of the CPU time even if no handler
    # shows them.
    root.setLevel(logging.WARNING)
    for name in ("streams", "workers", "schemas"):
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.INFO)
