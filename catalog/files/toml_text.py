"""TOML as people would write it: one text for one document, always the same.

Fields stand before tables. A list of plain tables, such as tiers, is a list with a line for each; a
list of tables that hold tables has sections.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from core.errors import ValidationError

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH: Final = 88
"""What is longer has a line for each of its parts."""


def toml_of(document: Mapping[str, Any]) -> str:
    """The text of a document of tables, lists, texts, numbers and truths; None is left out.

    `tomllib.loads` reads it back. Raises `ValidationError` for anything else.
    """
    return "\n".join(_table(document, ())).strip("\n") + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Its fields, and then its sections."""
    told = {name: value for name, value in table.items() if value is not None}
    for name, value in told.items():
        if not _has_sections(value, path):
            yield f"{_key(name)} = {_lines(value)}"
    for name, value in told.items():
        if _has_sections(value, path):
            below = (*path, name)
            title = ".".join(map(_key, below))
            several = isinstance(value, list)
            for each in value if several else [value]:
                yield ""
                yield f"[[{title}]]" if several else f"[{title}]"
                yield from _table(each, below)


def _has_sections(value: Any, path: tuple[str, ...]) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    if not isinstance(value, list) or not value:
        return False
    tables = all(isinstance(each, Mapping) for each in value)
    return tables and (not path or any(_is_deep(each) for each in value))


def _is_deep(table: Mapping[str, Any]) -> bool:
    return any(isinstance(value, Mapping) for value in table.values())


def _lines(value: Any) -> str:
    """A value; a list of tables, or one that is long, over several lines."""
    text = _inline(value)
    if not isinstance(value, list) or not value:
        return text
    if len(text) <= _WIDTH and not any(isinstance(each, Mapping) for each in value):
        return text
    return "[\n" + "".join(f"    {_inline(each)},\n" for each in value) + "]"


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, Mapping):
        told = {name: each for name, each in value.items() if each is not None}
        pairs = ", ".join(f"{_key(name)} = {_inline(each)}" for name, each in told.items())
        return f"{{ {pairs} }}" if told else "{}"
    raise ValidationError(f"a {type(value).__name__} cannot stand in a list of a TOML file")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _inline(name)
