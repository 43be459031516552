"""JSON with exact numbers: a Decimal is written as the digits it has, never through a float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

from tollbook.errors import InvalidEventError

_quote = json.encoder.encode_basestring
_DEPTH_MAX = 100
_WORDS = {None: "null", True: "true", False: "false"}


def encode_json(value: Any, path: str = "data", depth: int = 0) -> str:  # noqa: ANN401 - any JSON value
    """The JSON text of dicts, lists, tuples, strings, numbers, booleans and None.

    Raises `InvalidEventError`, naming the place below `path`, for anything else: NaN, infinity,
    keys that are not strings, text that is not Unicode, other types.
    """
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, str):
        return _encode_text(value, path)
    if isinstance(value, (int, float, Decimal)):
        return _encode_number(value, path)
    if depth >= _DEPTH_MAX:
        raise InvalidEventError(f"{path}: nested deeper than {_DEPTH_MAX} levels")
    if isinstance(value, Mapping):
        return _encode_mapping(value, path, depth)
    if isinstance(value, (list, tuple)):
        items = (encode_json(x, f"{path}[{i}]", depth + 1) for i, x in enumerate(value))
        return f"[{','.join(items)}]"
    raise InvalidEventError(
        f"{path}: {type(value).__name__} has no JSON form: send text, a number or an object"
    )


def _encode_mapping(value: Mapping[Any, Any], path: str, depth: int) -> str:
    parts = []
    for key, item in value.items():
        if not isinstance(key, str):
            raise InvalidEventError(f"{path}: key {key!r} is not text")
        inner = f"{path}.{key}"
        parts.append(f"{_encode_text(key, inner)}:{encode_json(item, inner, depth + 1)}")
    return f"{{{','.join(parts)}}}"


def _encode_text(value: str, path: str) -> str:
    """Text in quotes. UTF-8 has no place for lone surrogates, and databases none for NUL."""
    if "\x00" in value:
        raise InvalidEventError(f"{path}: holds a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidEventError(f"{path}: holds a lone surrogate, which is no character") from None
    return _quote(value)


def _encode_number(value: float | Decimal, path: str) -> str:
    """All digits: `Decimal("1.10")` → `1.10`; a float is the shortest text that reads back."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise InvalidEventError(f"{path}: {value} is not a JSON number")
        return str(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise InvalidEventError(f"{path}: {value!r} is not a JSON number")
        return float.__repr__(value)
    try:
        return int.__repr__(value)
    except ValueError:
        raise InvalidEventError(f"{path}: the number has too many digits") from None
