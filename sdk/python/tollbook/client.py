"""The client for threads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

from tollbook.events import Event
from tollbook.recorder import Recorder
from tollbook.settings import CLOSE_SECONDS
from tollbook.verdicts import FlushResult


class Client(Recorder):  # noqa: D101 - below, it is the other client's
    __doc__ = Recorder.__doc__

    def record(
        self,
        type: str,  # noqa: A002 - the CloudEvents name of the attribute
        subject: str,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - as above
        time: datetime | str | None = None,
        source: str | None = None,
    ) -> Event:
        """Record one event; id and time are fixed now, where not given, and so is `data`.

        Numbers in `data` are sent exactly: use int or Decimal for what will be billed. When this
        returns, the event is recorded. When it raises, it is not: `InvalidEventError` for what can
        never be sent, `QueueFullError`, `SpoolError` (`SpoolFullError`), `ClientClosedError`.
        """
        event = self._writer.write(type, subject, data, id, time, source)
        self._engine.queue.append(event.wire)
        return event

    def flush(self, timeout: float | None = None) -> FlushResult:
        """Send everything recorded so far; returns the verdicts since the last flush.

        Waits for at most `timeout` seconds, else for as many tries as the retry policy has, and
        raises a `DeliveryError` when that was not enough. The events stay in the client then,
        which goes on trying; those of a `RequestRejectedError` do not, in memory mode.
        """
        return self._engine.flush(timeout)

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Flush, for at most `timeout` seconds, and end.

        In memory mode this raises as `flush` does, closed all the same: events are lost then. In
        spool mode they stay in the spool, and a warning is logged.
        """
        self._engine.close(timeout)

    def __enter__(self) -> Client:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
