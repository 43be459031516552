"""Streams of chunks, passed on as they come; the event is recorded at their end."""

from __future__ import annotations

from typing import Any

from tollbook.llm.calls import Call


class MeteredStream:
    """Stands before a stream: iterates, closes and has the attributes as that does.

    One that is closed before its end never said its usage: it counts as failed.
    """

    def __init__(self, stream: Any, call: Call) -> None:  # noqa: ANN401 - whatever iterates
        self._stream, self._call = stream, call

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the stream has it
        return getattr(self._stream, name)

    def __iter__(self) -> MeteredStream:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - as the stream has it
        try:
            chunk = next(self._stream)
        except StopIteration:
            self._call.end()
            raise
        except BaseException:
            self._call.end(failed=True)
            raise
        return self._call.read(chunk)

    def close(self) -> None:
        """Close the stream."""
        self._call.end(failed=True)
        self._stream.close()

    def __enter__(self) -> MeteredStream:  # noqa: PYI034 - Self needs Python 3.11
        self._stream.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:  # noqa: ANN401 - as the stream has it
        self._call.end(failed=True)
        return self._stream.__exit__(*error)


class AsyncMeteredStream:
    """As `MeteredStream`, for `async for`."""

    def __init__(self, stream: Any, call: Call) -> None:  # noqa: ANN401 - whatever iterates
        self._stream, self._call = stream, call

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the stream has it
        return getattr(self._stream, name)

    def __aiter__(self) -> AsyncMeteredStream:
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401 - as the stream has it
        try:
            chunk = await self._stream.__anext__()
        except StopAsyncIteration:
            await self._call.end_async()
            raise
        except BaseException:
            await self._call.end_async(failed=True)
            raise
        return self._call.read(chunk)

    async def close(self) -> None:
        """Close the stream."""
        await self._call.end_async(failed=True)
        await self._stream.close()

    async def aclose(self) -> None:
        """Close the stream, where it is a generator."""
        await self._call.end_async(failed=True)
        await self._stream.aclose()

    async def __aenter__(self) -> AsyncMeteredStream:  # noqa: PYI034 - Self needs Python 3.11
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:  # noqa: ANN401 - as the stream has it
        await self._call.end_async(failed=True)
        return await self._stream.__aexit__(*error)
