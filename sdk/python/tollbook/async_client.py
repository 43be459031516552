"""The client for event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

from tollbook.errors import DeliveryError, QueueFullError
from tollbook.events import Event
from tollbook.recorder import Recorder
from tollbook.settings import CLOSE_SECONDS, Callbacks
from tollbook.verdicts import FlushResult, Rejection

_T = TypeVar("_T")


class AsyncClient(Recorder):  # noqa: D101 - below, it is the other client's
    __doc__ = (
        f"{Recorder.__doc__}\n    Callbacks run on the event loop that used the client last.\n"
    )

    _loop: asyncio.AbstractEventLoop | None = None

    async def record(
        self,
        type: str,  # noqa: A002 - the CloudEvents name of the attribute
        subject: str,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - as above
        time: datetime | str | None = None,
        source: str | None = None,
    ) -> Event:
        """As `Client.record`; only where the queue is full, it gives way to other tasks."""
        self._loop = asyncio.get_running_loop()
        event = self._writer.write(type, subject, data, id, time, source)
        queue = self._engine.queue
        try:
            if self._settings.spool_fsync:  # a disk takes milliseconds
                await asyncio.to_thread(queue.append, event.wire)
            else:
                queue.append(event.wire, may_block=False)
        except QueueFullError:
            if not self._settings.block_seconds:
                raise
            await asyncio.to_thread(queue.append, event.wire)
        return event

    async def flush(self, timeout: float | None = None) -> FlushResult:
        """As `Client.flush`."""
        self._loop = asyncio.get_running_loop()
        return await asyncio.to_thread(self._engine.flush, timeout)

    async def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """As `Client.close`."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._engine.close, timeout)

    async def __aenter__(self) -> AsyncClient:  # noqa: PYI034 - Self needs Python 3.11
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _callbacks(
        self,
        on_accepted: Callable[[Sequence[Event]], None] | None,
        on_rejected: Callable[[Rejection], None] | None,
        on_error: Callable[[DeliveryError], None] | None,
    ) -> Callbacks:
        return Callbacks(
            self._on_loop(on_accepted), self._on_loop(on_rejected), self._on_loop(on_error)
        )

    def _on_loop(self, callback: Callable[[_T], None] | None) -> Callable[[_T], None] | None:
        """Have a callback run where the caller's code runs, as long as that is there."""
        if callback is None:
            return None

        def hand_over(value: _T) -> None:
            loop = self._loop
            if loop is None or loop.is_closed():
                callback(value)
            else:
                loop.call_soon_threadsafe(callback, value)

        return hand_over
