"""Logs of every process, set up once at its entry point: JSON lines, plain text on a terminal.

One line is `{"timestamp", "level", "service", "message", "context"}`. Code adds to the context with
`extra={"context": {...}}`; the logger's name and the id of the request are in it already.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO, Any, Final, Literal

from telemetry.correlation import current_request

Style = Literal["auto", "json", "text"]
"""`auto`: text on a terminal, JSON elsewhere."""

LEVELS: Final = ("DEBUG", "INFO", "WARN", "ERROR")
"""As they stand in the lines; what ends a process is an ERROR."""

_LEVEL_OF: Final = {"WARNING": "WARN", "CRITICAL": "ERROR", "FATAL": "ERROR"}
_CHATTY: Final = {"aiokafka": logging.WARNING, "mode": logging.WARNING, "faust": logging.WARNING}
"""Libraries that tell what they do step by step, and from which level on they are listened to."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        context = _context(record)
        if record.exc_info:
            context["traceback"] = self.formatException(record.exc_info)
        line = {
            "timestamp": _timestamp(record),
            "level": _LEVEL_OF.get(record.levelname, record.levelname),
            "service": self._service,
            "message": record.getMessage(),
            "context": context,
        }
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The same for people: time, level, message, then the context in words."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, and a traceback where there is one."""
        level = _LEVEL_OF.get(record.levelname, record.levelname)
        context = _context(record)
        context.pop("logger")
        words = "".join(f" {name}={value}" for name, value in context.items())
        text = f"{_timestamp(record)} {level:<5} {record.getMessage()}{words}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return text


def set_up_logs(
    service: str, level: str = "INFO", style: Style = "auto", stream: IO[str] | None = None
) -> None:
    """Let this process log to `stream` (stderr) from `level` (one of `LEVELS`) on.

    Replaces every handler there was; libraries log through the same one.
    """
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    plain = style == "text" or (style == "auto" and target.isatty())
    handler.setFormatter(TextFormatter() if plain else JsonFormatter(service))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel("WARNING" if level == "WARN" else level)
    for name, floor in _CHATTY.items():
        logging.getLogger(name).setLevel(max(floor, root.level))


def _timestamp(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _context(record: logging.LogRecord) -> dict[str, Any]:
    context: dict[str, Any] = {"logger": record.name}
    request = current_request.get().text
    if request:
        context["request_id"] = request
    given = getattr(record, "context", None)
    if isinstance(given, dict):
        context |= given
    return context
