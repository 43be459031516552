"""What a void says at the front door: which earlier event it takes back."""

from __future__ import annotations

from typing import Final

import msgspec

from core.events import TEXT_BYTES_MAX


class _Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `data` of a void."""

    source: str
    id: str


_DECODER: Final = msgspec.json.Decoder(_Target)
_EXAMPLE: Final = '{"source": "...", "id": "..."} of the event to void'


def target_of(data: bytes) -> tuple[bytes, bytes]:
    """UTF-8 of source and id of the event that a void names. Raises `ValueError` with the fix."""
    try:
        target = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise ValueError(f"data of a void must be {_EXAMPLE}: {error}") from None
    source, id_ = target.source.encode(), target.id.encode()
    for name, text in (("source", source), ("id", id_)):
        if not 1 <= len(text) <= TEXT_BYTES_MAX[name]:
            raise ValueError(
                f"data.{name} of a void must have 1 to {TEXT_BYTES_MAX[name]} bytes, as the event"
                " to void has"
            )
    return source, id_
