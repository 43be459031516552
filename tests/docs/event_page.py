"""The page of events, made of their types: `python -m tests.docs.event_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from api.event_types import CONTEXTS
from db.event_types import EventType, Payload

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "events.md"

_HEAD: Final = """\
# Events

What `GET /v1/changes` and `tollbook changes` show: what changed, written down in the \
transaction that changed it. See [Tenants](../explanation/tenants.md#what-changed). This \
page is made of `events.py` of each package.

Every event has `id`, `position`, `subject`, `version`, `resource_id`, `payload`, `actor`, \
`correlation_id`, `causation_id` and `created_at`. `payload` has exactly the fields below. \
`version` is of its form: a field that comes new is a new field; when one goes, or means \
something else, the version grows. Whoever reads events passes over subjects and fields \
that they do not know.

A field with `?` can be null. Instants are texts with an offset, exact numbers are texts.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_context(name) for name in CONTEXTS)])


def _context(name: str) -> str:
    types = CONTEXTS[name].values()
    rows = (f"| `{each.subject}` | {each.version} | {each.when} |" for each in types)
    table = "\n".join(["| subject | version | comes when |", "|---|---|---|", *rows])
    return f"## `{name}`\n\n{table}\n\n{_payloads(types)}\n"


def _payloads(types: Any) -> str:
    told: dict[type[Payload], list[EventType]] = {}
    for each in types:
        told.setdefault(each.payload, []).append(each)
    return "\n\n".join(
        f"Payload of {', '.join(f'`{each.subject}`' for each in group)}: "
        + ", ".join(_fields(payload.model_json_schema()))
        + "."
        for payload, group in told.items()
    )


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    parts = schema.get("$defs", {})
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        options = field.get("anyOf", [field])
        null = "?" if any(each.get("type") == "null" for each in options) else ""
        [kind, *_] = [each for each in options if each.get("type") != "null"]
        rest = "" if name in required else " (may be missing)"
        yield f"`{name}`{null}{_inner(kind, parts)}{rest}"


def _inner(kind: dict[str, Any], parts: dict[str, Any]) -> str:
    many = kind.get("type") == "array"
    part = (kind.get("items", {}) if many else kind).get("$ref", "")
    if not part:
        return ""
    inner = ", ".join(_fields(parts[part.rpartition("/")[2]] | {"$defs": parts}))
    return f" ({'each ' if many else ''}{inner})"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
