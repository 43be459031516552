"""Pages of a list: a cursor says where the next one begins, and means nothing to its reader."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from core.errors import ValidationError

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 200
_DIGITS_MAX: Final = 18


def cursor_of(position: int) -> str:
    """The cursor of what comes after `position`."""
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode().rstrip("=")


def position_of(cursor: str | None) -> int:
    """Read a cursor back; 0 for none. Raises `ValidationError`."""
    if cursor is None:
        return 0
    try:
        text = base64.b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}", b"-_", validate=True)
        word, _, digits = text.decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        word, digits = "", ""
    if word != "after" or not digits.isdecimal() or len(digits) > _DIGITS_MAX:
        raise ValidationError("cursor: take the next_cursor of an answer as it is", field="cursor")
    return int(digits)
