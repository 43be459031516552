"""One metered call: what is read from its response, and the event that comes of it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any, TypeVar

from tollbook.async_client import AsyncClient
from tollbook.client import Client
from tollbook.clock import monotonic_seconds
from tollbook.errors import TollbookError
from tollbook.llm.usage import UsageReader

_T = TypeVar("_T")

_MILLIS = 1000
_log = logging.getLogger("tollbook")


class Call:
    """A with-block around one call of a model; also `async with`.

    Attributes:
        data: Values of your own that go into the event; add to them as you like.
    """

    def __init__(
        self,
        client: Client | AsyncClient,
        subject: str,
        model: str | None,
        event_type: str,
        data: Mapping[str, Any],
        *,
        record_failures: bool,
    ) -> None:
        self.data = dict(data)
        self._client, self._subject, self._model = client, subject, model
        self._type, self._record_failures = event_type, record_failures
        self._reader = UsageReader()
        self._began_seconds = monotonic_seconds()
        self._is_over = False

    def read(self, response: _T) -> _T:
        """Read the usage of a response or of a chunk of a stream; returns it as it is."""
        try:
            self._reader.add(response)
        except Exception:  # noqa: BLE001 - a strange response is the caller's to handle, not ours
            _log.exception("the usage of a response could not be read")
        return response

    def end(self, *, failed: bool = False) -> None:
        """Record the event, once."""
        if self._is_due(failed=failed):
            assert isinstance(self._client, Client)
            try:
                self._client.record(self._type, self._subject, self._event_data(failed=failed))
            except TollbookError:
                _log.exception("a call of a model was not recorded")

    async def end_async(self, *, failed: bool = False) -> None:
        """As `end`, with either client."""
        if self._is_due(failed=failed):
            data = self._event_data(failed=failed)
            try:
                recorded = self._client.record(self._type, self._subject, data)
                if inspect.isawaitable(recorded):
                    await recorded
            except TollbookError:
                _log.exception("a call of a model was not recorded")

    def __enter__(self) -> Call:  # noqa: PYI034 - Self needs Python 3.11
        if isinstance(self._client, AsyncClient):
            raise TypeError("client: an AsyncClient needs `async with`")
        self._began_seconds = monotonic_seconds()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(failed=exc is not None)

    async def __aenter__(self) -> Call:  # noqa: PYI034 - Self needs Python 3.11
        self._began_seconds = monotonic_seconds()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.end_async(failed=exc is not None)

    def _is_due(self, *, failed: bool) -> bool:
        was_over, self._is_over = self._is_over, True
        return not was_over and (self._record_failures or not failed)

    def _event_data(self, *, failed: bool) -> dict[str, Any]:
        usage = self._reader.usage()
        counts: dict[str, Any] = {}
        if usage is not None:
            counts = {name: value for name, value in asdict(usage).items() if value is not None}
        elif not failed:
            _log.warning("no token usage was read from a call of %s", self._subject)
        if (model := self._model or self._reader.model) is not None:
            counts["model"] = model
        return {
            **counts,
            "duration_ms": round((monotonic_seconds() - self._began_seconds) * _MILLIS),
            "status": "error" if failed else "ok",
            **self.data,
        }


def meter(
    client: Client | AsyncClient,
    *,
    subject: str,
    model: str | None = None,
    type: str = "llm.request",  # noqa: A002 - the CloudEvents name of the attribute
    data: Mapping[str, Any] | None = None,
    record_failures: bool = False,
) -> Call:
    """A with-block that records one event with the token counts given to `call.read`.

    Args:
        client: Where to record; `async with` takes either client.
        subject: Who used the model.
        model: Its name, where the response's own is not to be used.
        type: The type of the event.
        data: More values for the event.
        record_failures: Record calls that raise, too, with `"status": "error"`.
    """
    return Call(client, subject, model, type, data or {}, record_failures=record_failures)
