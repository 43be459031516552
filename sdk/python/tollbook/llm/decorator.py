"""A decorator for functions that call a model: plain, async, and those that return streams."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, cast

from tollbook.async_client import AsyncClient
from tollbook.client import Client
from tollbook.llm.calls import Call
from tollbook.llm.streams import AsyncMeteredStream, MeteredStream

_P = ParamSpec("_P")
_R = TypeVar("_R")


def metered(
    client: Client | AsyncClient,
    *,
    subject: str | Callable[..., str],
    model: str | None = None,
    type: str = "llm.request",  # noqa: A002 - the CloudEvents name of the attribute
    data: Mapping[str, Any] | None = None,
    record_failures: bool = False,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Have each call of a function recorded, with the token counts of what it returns.

    A result that is a stream is passed on chunk by chunk, and the event is recorded at its end.

    Args:
        client: Where to record; an `AsyncClient` for async functions only.
        subject: Who used the model, or a function of the call's arguments that says so.
        model: Its name, where the response's own is not to be used.
        type: The type of the event.
        data: More values for the event.
        record_failures: Record calls that raise, and streams that break off, too, with
            `"status": "error"`.
    """

    def begin(*args: Any, **kwargs: Any) -> Call:  # noqa: ANN401 - of the function
        named = subject(*args, **kwargs) if callable(subject) else subject
        return Call(client, named, model, type, data or {}, record_failures=record_failures)

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        if isinstance(client, AsyncClient) and not is_async:
            raise TypeError("client: an AsyncClient meters async functions only")
        if not inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            def call_plainly(*args: _P.args, **kwargs: _P.kwargs) -> _R:
                call = begin(*args, **kwargs)
                try:
                    result = function(*args, **kwargs)
                except BaseException:
                    call.end(failed=True)
                    raise
                return cast("_R", _pass_on(result, call))

            return call_plainly

        @functools.wraps(function)
        async def call_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:  # noqa: ANN401 - of the function
            call = begin(*args, **kwargs)
            try:
                result = await function(*args, **kwargs)
            except BaseException:
                await call.end_async(failed=True)
                raise
            if hasattr(result, "__anext__"):
                return AsyncMeteredStream(result, call)
            call.read(result)
            await call.end_async()
            return result

        return cast("Callable[_P, _R]", call_async)

    return decorate


def _pass_on(result: object, call: Call) -> object:
    if hasattr(result, "__anext__"):
        return AsyncMeteredStream(result, call)
    if hasattr(result, "__next__"):
        return MeteredStream(result, call)
    call.read(result)
    call.end()
    return result
