"""What a wire format is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from core.cloudevents.columnar.admitting import Clean
from core.cloudevents.wire import Rejection, WireEvent


class WireFormat(NamedTuple):
    """How bodies are read.

    Attributes:
        decode: A body's events, or why one is none, in their order. Raises `ValidationError` for a
            body that is no list of events, and `TooLargeError`.
        admit_clean: A faster way for clean bodies, which gives what the contract gives, or None:
            it takes the body, the tenant and the instant of receipt in microseconds.
        opens_with: The bytes of which a body begins with one, spaces aside, if it may be read
            together with others; none where it may not.
        is_json: The texts of events stand in the body as JSON: only escapes can hide a NUL there.
    """

    decode: Callable[[bytes], Sequence[WireEvent | Rejection]]
    admit_clean: Callable[[bytes, str, int], Clean | None] | None = None
    opens_with: bytes = b""
    is_json: bool = False
