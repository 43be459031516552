"""`--metadata KEY=TEXT`: how commands take the pairs of texts that every resource has."""

from __future__ import annotations

from typing import Annotated

import typer

from core.errors import ValidationError

Metadata = Annotated[
    list[str] | None, typer.Option(help="KEY=TEXT; repeatable; replaces all there were.")
]


def pairs_of(texts: list[str] | None, option: str = "metadata") -> dict[str, str] | None:
    """The pairs of such texts of an option; None stays. Raises `ValidationError`."""
    return None if texts is None else dict(_pair(text, option) for text in texts)


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValidationError(f"--{option}: expected KEY=TEXT, got {text!r}", field=option)
    return key, value
