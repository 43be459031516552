"""`ETag` and `If-Match`: who read an older revision is told so, and changes nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from core.errors import ValidationError

IfMatch = Annotated[str | None, Header(description="The `ETag` of what you read.")]


def etag_of(revision: int) -> str:
    """The `ETag` of a revision."""
    return f'"{revision}"'


def revision_of(if_match: str | None) -> int | None:
    """The revision that an `If-Match` names; None for none, or for whatever there is."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix('"').removesuffix('"')
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(2**31))):
        raise ValidationError('If-Match: send the ETag that you got, such as "3"', field="If-Match")
    return int(text)
