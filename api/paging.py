"""Pages of a list: a cursor says where the next one begins, and means nothing to its reader."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Protocol, TypeVar
from uuid import UUID

from fastapi import Query

from catalog.meter_definition import is_slug
from core.errors import ValidationError

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 200
_DIGITS_MAX: Final = 18
_HEX: Final = re.compile(r"[0-9a-f]{32}")

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of a page.")]
Archived = Annotated[bool | None, Query(description="Only those that are, or not.")]


class Shown(Protocol):
    """What a list consists of."""

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""


_Shown = TypeVar("_Shown", bound=Shown)


def page_of(
    fetch: Callable[[int], Sequence[_Shown]], limit: int, cursor_after: Callable[[_Shown], str]
) -> dict[str, Any]:
    """The answer of a list: at most `limit` of what `fetch(how many)` finds.

    One more is asked for: whether it is there says if another page comes.
    """
    found = fetch(limit + 1)
    page = found[:limit]
    return {
        "data": [each.as_resource() for each in page],
        "next_cursor": cursor_after(page[-1]) if len(found) > limit else None,
    }


def cursor_of(position: int) -> str:
    """The cursor of what comes after `position`."""
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode().rstrip("=")


def slug_cursor_of(slug: str) -> str:
    """The cursor of what comes after `slug` in a list that is sorted by it."""
    return base64.urlsafe_b64encode(f"slug:{slug}".encode()).decode().rstrip("=")


def id_cursor_of(last: UUID) -> str:
    """The cursor of what comes after the thing with this id, in a list that is sorted by age."""
    return base64.urlsafe_b64encode(f"id:{last.hex}".encode()).decode().rstrip("=")


def id_of(cursor: str | None) -> UUID | None:
    """Read such a cursor back; None for none. Raises `ValidationError`."""
    if cursor is None:
        return None
    word, digits = _read(cursor)
    if word != "id" or not _HEX.fullmatch(digits):
        raise _unreadable()
    return UUID(hex=digits)


def slug_of(cursor: str | None) -> str:
    """Read such a cursor back; the empty text for none. Raises `ValidationError`."""
    if cursor is None:
        return ""
    word, slug = _read(cursor)
    if word != "slug" or not is_slug(slug):
        raise _unreadable()
    return slug


def position_of(cursor: str | None) -> int:
    """Read a cursor back; 0 for none. Raises `ValidationError`."""
    if cursor is None:
        return 0
    word, digits = _read(cursor)
    if word != "after" or not digits.isdecimal() or len(digits) > _DIGITS_MAX:
        raise _unreadable()
    return int(digits)


def _read(cursor: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}", b"-_", validate=True)
        word, _, rest = text.decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return word, rest


def _unreadable() -> ValidationError:
    return ValidationError("cursor: take the next_cursor of an answer as it is", field="cursor")
