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
_NAMES_MAX = 4096
_TOO_LONG = "the number has too many digits"
_WORDS = {None: "null", True: "true", False: "false"}
_names: dict[str, str] = {}
"""Keys that were checked and quoted before, with their colon: the same few come in every event."""


class _FaultError(Exception):
    """A value without a JSON form; `place` grows by a step on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.place = ""


def encode_json(value: Any, path: str = "data") -> str:  # noqa: ANN401 - any JSON value
    """The JSON text of dicts, lists, tuples, strings, numbers, booleans and None.

    Raises `InvalidEventError`, naming the place below `path`, for anything else: NaN, infinity,
    keys that are not strings, text that is not Unicode, other types.
    """
    try:
        return _encode(value, 0)
    except _FaultError as fault:
        raise InvalidEventError(f"{path}{fault.place}: {fault}") from None


def encode_object(value: Mapping[Any, Any], path: str = "data") -> str:
    """As `encode_json`, for an object."""
    try:
        return _encode_mapping(value, 0)
    except _FaultError as fault:
        raise InvalidEventError(f"{path}{fault.place}: {fault}") from None


def encode_text(value: str, path: str) -> str:
    """The JSON text of a string. Raises `InvalidEventError`."""
    try:
        return _encode_text(value)
    except _FaultError as fault:
        raise InvalidEventError(f"{path}: {fault}") from None


def _encode(value: Any, depth: int) -> str:  # noqa: ANN401 - any JSON value
    if type(value) is dict and depth < _DEPTH_MAX:  # the usual: asking for Mapping takes longer
        return _encode_mapping(value, depth)
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, str):
        return _encode_text(value)
    if isinstance(value, (int, float, Decimal)):
        return _encode_number(value)
    if depth >= _DEPTH_MAX:
        raise _FaultError(f"nested deeper than {_DEPTH_MAX} levels")
    if isinstance(value, Mapping):
        return _encode_mapping(value, depth)
    if isinstance(value, (list, tuple)):
        return _encode_list(value, depth)
    raise _FaultError(f"{type(value).__name__} has no JSON form: send text, a number or an object")


def _encode_mapping(value: Mapping[Any, Any], depth: int) -> str:
    """The one function that each event passes: the types of most values are looked at in place."""
    parts = []
    key: Any = None
    try:
        for key, item in value.items():
            name = _names.get(key) or _encode_name(key)
            kind = type(item)
            if kind is str:
                plain = item.isascii() and "\x00" not in item
                text = _quote(item) if plain else _encode_text(item)
            elif kind is int:
                text = repr(item)
            elif kind is bool:
                text = "true" if item else "false"
            else:
                text = _encode(item, depth + 1)
            parts.append(name + text)
    except _FaultError as fault:
        if isinstance(key, str):
            fault.place = f".{key}{fault.place}"
        raise
    except ValueError:
        long = _FaultError(_TOO_LONG)
        long.place = f".{key}"
        raise long from None
    return f"{{{','.join(parts)}}}"


def _encode_list(value: list[Any] | tuple[Any, ...], depth: int) -> str:
    parts: list[str] = []
    try:
        for item in value:
            parts.append(_encode(item, depth + 1))  # noqa: PERF401 - its length names the place
    except _FaultError as fault:
        fault.place = f"[{len(parts)}]{fault.place}"
        raise
    return f"[{','.join(parts)}]"


def _encode_name(key: object) -> str:
    if not isinstance(key, str):
        raise _FaultError(f"key {key!r} is not text")
    name = f"{_encode_text(key)}:"
    if len(_names) >= _NAMES_MAX:
        _names.clear()
    _names[key] = name
    return name


def _encode_text(value: str) -> str:
    """Text in quotes. UTF-8 has no place for lone surrogates, and databases none for NUL."""
    if "\x00" in value:
        raise _FaultError("holds a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _FaultError("holds a lone surrogate, which is no character") from None
    return _quote(value)


def _encode_number(value: float | Decimal) -> str:
    """All digits: `Decimal("1.10")` → `1.10`; a float is the shortest text that reads back."""
    if isinstance(value, int):
        try:
            return int.__repr__(value)
        except ValueError:
            raise _FaultError(_TOO_LONG) from None
    if isinstance(value, float):
        if not isfinite(value):
            raise _FaultError(f"{value!r} is not a JSON number")
        return float.__repr__(value)
    if not value.is_finite():
        raise _FaultError(f"{value} is not a JSON number")
    return str(value)
