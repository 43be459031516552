"""What two documents say differently, a line for each field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

_NAMES: Final = ("key", "feature", "slug")
"""What tells the entries of a list apart; without one they are told by their place."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Lines such as `rate_cards[tokens].price.amount: 3 → 4`, by path; none where they agree.

    A list whose entries have names is compared name by name; its order is a line of its own.
    """
    was, now = (dict(_leaves(document, "")) for document in (before, after))
    return [
        f"{path}: {_text(was.get(path))} → {_text(now.get(path))}"
        for path in [*was, *(path for path in now if path not in was)]
        if was.get(path) != now.get(path)
    ]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        name = _name_of(value)
        for position, each in enumerate(value):
            label = position if name is None else each[name]
            yield from _leaves(each, f"{path}[{label}]")
        if name is not None:
            yield f"{path} in order", [each[name] for each in value]
    else:
        yield path, value


def _name_of(entries: list[Any]) -> str | None:
    for name in _NAMES:
        told = [each.get(name) if isinstance(each, Mapping) else None for each in entries]
        if None not in told and len(set(map(str, told))) == len(told):
            return name
    return None


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
