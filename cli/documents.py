"""Files that commands read: TOML, or JSON where the name says so."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ValidationError

if TYPE_CHECKING:
    from catalog.price_book import BookPrice
    from catalog.price_examples import Example


def read_document(file: Path) -> dict[str, Any]:
    """The table that a TOML or JSON file is. Raises `ValidationError` naming the file."""
    form = "JSON" if file.suffix == ".json" else "TOML"
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if form == "JSON" else tomllib.loads(text)
    except OSError as error:
        raise ValidationError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValidationError(f"{file}: not {form}: {error}") from error
    if not isinstance(found, dict):
        raise ValidationError(f"{file}: expected a table of fields, found a {type(found).__name__}")
    return found


def read_book(file: Path) -> list[BookPrice]:
    """The prices of a TOML or JSON file. Raises `ValidationError` naming the file and the path."""
    from catalog.price_book import parse_price_book

    document = read_document(file)
    with _in(file):
        return parse_price_book(document)


def read_examples(file: Path) -> list[Example]:
    """Examples for the prices of the same file, or of the one that it calls its `book`.

    Raises `ValidationError` naming the file and the path.
    """
    from catalog.price_examples import parse_examples

    document = read_document(file)
    book = document.get("book")
    if book is not None and not isinstance(book, str):
        raise ValidationError(f'{file}: book: give the name of a file, such as "book.toml"')
    if book is not None and "prices" in document:
        raise ValidationError(f"{file}: book: the prices stand here, too; remove one of them")
    prices = read_book(file if book is None else file.parent / book)
    with _in(file):
        return parse_examples(document, prices)


@contextmanager
def _in(file: Path) -> Iterator[None]:
    """Put the file before what is wrong with its content."""
    try:
        yield
    except ValidationError as error:
        raise ValidationError(f"{file}: {error.message}", **error.details) from error
