"""Compression of HTTP bodies, as named by Content-Encoding and Accept-Encoding."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

import lz4.frame  # type: ignore[import-untyped] # the package ships no types

from infra.local.clickhouse.errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, EngineError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_WINDOW = 31
_ANY_WINDOW = 47
_ZLIB_LEVEL = 3
_ZSTD_LEVEL = 1


class _StreamDecompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class Compressor(Protocol):
    """Compresses one answer piece by piece."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """The compressed bytes that are ready; may be empty."""
        ...

    def flush(self) -> bytes:
        """The rest, with the format's end mark."""
        ...


class _Lz4Compressor:
    """LZ4's frame compressor with the start of the frame folded into the first piece."""

    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes | memoryview, /) -> bytes:
        start = b"" if self._begun else self._frame.begin()
        self._begun = True
        return bytes(start + self._frame.compress(data))

    def flush(self) -> bytes:
        start = b"" if self._begun else self._frame.begin()
        return bytes(start + self._frame.flush())


_COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "lz4": _Lz4Compressor,
    "zstd": lambda: zstd.ZstdCompressor(level=_ZSTD_LEVEL),
    "gzip": lambda: zlib.compressobj(_ZLIB_LEVEL, zlib.DEFLATED, _GZIP_WINDOW),
    "deflate": lambda: zlib.compressobj(_ZLIB_LEVEL),
}
_DECOMPRESSORS: dict[str, Callable[[], _StreamDecompressor]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
    "gzip": lambda: zlib.decompressobj(_ANY_WINDOW),
    "deflate": lambda: zlib.decompressobj(_ANY_WINDOW),
}
_FAILURES = (zlib.error, zstd.ZstdError, RuntimeError, EOFError)


class Decompressor:
    """Decompresses a request's body piece by piece; several frames may follow each other."""

    def __init__(self, encoding: str) -> None:
        if encoding not in _DECOMPRESSORS:
            raise EngineError.of(
                NOT_IMPLEMENTED,
                f"Content-Encoding '{encoding}' is not supported;"
                f" use one of {', '.join(_DECOMPRESSORS)}.",
            )
        self._encoding = encoding
        self._frame: _StreamDecompressor | None = None

    def feed(self, data: bytes) -> bytes:
        """The plain bytes of the next compressed piece. Raises `EngineError`."""
        plain: list[bytes] = []
        try:
            while data:
                if self._frame is None:
                    self._frame = _DECOMPRESSORS[self._encoding]()
                plain.append(self._frame.decompress(data))
                data = b""
                if self._frame.eof:
                    data = self._frame.unused_data or b""
                    self._frame = None
        except _FAILURES as error:
            raise self._error(str(error)) from None
        return b"".join(plain)

    def finish(self) -> None:
        """Check that the last frame was complete. Raises `EngineError` if it was cut off."""
        if self._frame is not None:
            raise self._error("the body ends inside a compressed frame")

    def _error(self, reason: str) -> EngineError:
        return EngineError.of(
            CANNOT_DECOMPRESS, f"Cannot decompress the body as '{self._encoding}': {reason}."
        )


def choose(accept_encoding: str) -> str | None:
    """The first encoding of an Accept-Encoding header that this server can make."""
    for item in accept_encoding.split(","):
        name, _, weight = item.strip().lower().partition(";")
        refused = weight.strip().replace(" ", "") in {"q=0", "q=0.0"}
        if name.strip() in _COMPRESSORS and not refused:
            return name.strip()
    return None


def compressor(encoding: str) -> Compressor:
    """A fresh compressor for an encoding that `choose` returned."""
    return _COMPRESSORS[encoding]()
