"""Text from outside that is to be stored: what no database takes is refused with its field."""

from __future__ import annotations

from core.errors import ValidationError


def check_text(text: object, field: str) -> str:
    """`text` itself. Raises `ValidationError` unless it is text that every database can store.

    That is text without NUL characters and without halves of surrogate pairs, which JSON can write
    and UTF-8 cannot.
    """
    if not isinstance(text, str):
        raise ValidationError(f"{field}: give a text, not a {type(text).__name__}", field=field)
    if "\x00" in text:
        raise ValidationError(f"{field}: holds a NUL character", field=field)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValidationError(f"{field}: holds half of a surrogate pair", field=field) from None
    return text
