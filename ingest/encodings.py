"""Content encodings: a body is inflated up to a limit, whatever it claims to be."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from core.errors import TooLargeError, ValidationError
from ingest.errors import UnsupportedMediaTypeError
from ingest.settings import BODY_BYTES_MAX

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IDENTITY: Final = "identity"
_GZIP_WINDOW: Final = 31
_ZSTD_WINDOW: Final[Mapping[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
"""8 MiB, which RFC 9659 asks of everyone who decodes a content encoding; more is not allowed."""


_MEMBERS_MAX: Final = 256
"""Of one body: each costs a copy of the rest."""


class _Decoder(Protocol):
    """What the decoders of both libraries have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_DECODERS: Final[Mapping[str, Callable[[], _Decoder]]] = {
    "gzip": lambda: zlib.decompressobj(_GZIP_WINDOW),
    "zstd": lambda: zstd.ZstdDecompressor(options=_ZSTD_WINDOW),
}
ENCODINGS: Final = (IDENTITY, *_DECODERS)
"""What a Content-Encoding may be."""


def inflate(encoding: str, body: bytes, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """The body that `encoding`, a Content-Encoding header, was applied to.

    Raises `TooLargeError` once more than `bytes_max` bytes come out, having made no more than that;
    `ValidationError` for a body that is not in its encoding or ends early, and
    `UnsupportedMediaTypeError`.
    """
    name = encoding.strip().lower()
    if name == IDENTITY:
        return body
    make = _DECODERS.get(name)
    if make is None:
        raise UnsupportedMediaTypeError(
            f"content-encoding: {encoding[:100]!r} is not supported: send one of"
            f" {', '.join(ENCODINGS)}",
            supported=list(ENCODINGS),
        )
    try:
        return _inflate(name, make, body, bytes_max)
    except (zlib.error, zstd.ZstdError) as error:
        raise ValidationError(f"body: not {name}: {error}") from error


def _inflate(name: str, make: Callable[[], _Decoder], body: bytes, bytes_max: int) -> bytes:
    """Of all members, one behind the other."""
    out = bytearray()
    for _ in range(_MEMBERS_MAX):
        decoder = make()
        out += decoder.decompress(body, bytes_max + 1 - len(out))
        if len(out) > bytes_max:
            raise too_large(bytes_max)
        if not decoder.eof:
            raise ValidationError(f"body: {name}: ends before its end")
        body = decoder.unused_data
        if not body:
            return bytes(out)
    raise ValidationError(f"body: {name}: more than {_MEMBERS_MAX} members")


def too_large(bytes_max: int) -> TooLargeError:
    """A body over the limit, as it is or written out."""
    return TooLargeError(
        f"body: over the limit of {bytes_max} bytes: send it in smaller batches",
        body_bytes_max=bytes_max,
    )
