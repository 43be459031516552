"""`--metadata KEY=TEXT`: how commands take the pairs of texts that every resource has."""

from __future__ import annotations

from typing import Annotated

import typer

from core.errors import ValidationError

Metadata = Annotated[
    list[str] | None, typer.Option(help="KEY=TEXT; repeatable; replaces all there were.")
]


def pairs_of(texts: list[str] | None) -> dict[str, str] | None:
    """The pairs of such texts; None stays. Raises `ValidationError`."""
    return None if texts is None else dict(_pair(text) for text in texts)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValidationError(f"--metadata: expected KEY=TEXT, got {text!r}", field="metadata")
    return key, value
