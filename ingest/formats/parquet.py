"""Parquet files, read by a process of their own."""

from __future__ import annotations

import atexit
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from threading import Lock, Timer
from typing import Final

from core.clock import monotonic_seconds
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import TooLargeError, ValidationError
from ingest.formats import arrow
from ingest.formats.parquet_reader import BODY, FRAME, TABLE, TOO_LARGE
from ingest.formats.wire_format import WireFormat
from ingest.settings import BODY_BYTES_MAX

MEDIA_TYPE: Final = "application/vnd.apache.parquet"
_SECONDS_MAX: Final = 10.0
_TRIES: Final = 2
_ANSWER_BYTES_MAX: Final = 4 * BODY_BYTES_MAX
"""What is larger as a stream is over the limit as text, too."""

_COMMAND: Final = (sys.executable, "-m", "ingest.formats.parquet_reader")
_log: Final = logging.getLogger(__name__)


class Reader:
    """A reading process, started when it is first needed; it ends with this one.

    One body at a time: if it ends, that body did it.
    """

    def __init__(self, seconds_max: float = _SECONDS_MAX) -> None:
        self._seconds_max = seconds_max
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, body: bytes) -> Sequence[WireEvent | Rejection]:
        """Read the rows of all row groups. Raises `ValidationError` and `TooLargeError`."""
        kind, payload = self._ask(body)
        if kind == TABLE:
            return arrow.decode(payload)
        message, details = json.loads(payload)
        raise (TooLargeError if kind == TOO_LARGE else ValidationError)(message, **details)

    def close(self) -> None:
        """End the process; another one starts when it is needed again."""
        with self._lock:
            self._end()

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        with self._lock:
            for _ in range(_TRIES):  # a reader that had died before says nothing about the body
                began_seconds = monotonic_seconds()
                process = self._running()
                timer = Timer(self._seconds_max, process.kill)
                timer.start()
                try:
                    answer = _exchange(process, body)
                finally:
                    timer.cancel()
                if answer is not None:
                    return answer
                self._end()
                if monotonic_seconds() - began_seconds >= self._seconds_max:
                    break
        _log.warning("a Parquet file of %d bytes ended its reader", len(body))
        raise ValidationError(
            f"body: not a Parquet file, or not one that can be read in {self._seconds_max:g} s"
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            if self._process is None:
                atexit.register(self.close)
            self._end()
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _exchange(process: subprocess.Popen[bytes], body: bytes) -> tuple[int, bytes] | None:
    """The answer of a reader; None when it ends first."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(FRAME.pack(BODY, len(body)) + body)
        process.stdin.flush()
        head = process.stdout.read(FRAME.size)
        if len(head) < FRAME.size:
            return None
        kind, size = FRAME.unpack(head)
        if size > _ANSWER_BYTES_MAX:
            return None
        payload = process.stdout.read(size)
    except OSError:
        return None
    return (kind, payload) if len(payload) == size else None


FORMAT: Final = WireFormat(Reader().decode)
