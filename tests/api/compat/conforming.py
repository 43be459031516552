"""Whether a JSON value is what a schema of the OpenAPI document says; only words in use there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def faults(value: Any, schema: dict[str, Any], where: str = "$") -> Iterator[str]:
    """Each place that differs."""
    known = {"type", "required", "properties", "items", "const", "enum", "additionalProperties"}
    ignored = {"description", "format", "minItems", "maxItems"}
    assert not schema.keys() - known - ignored, schema
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(isinstance(value, _TYPES[name]) for name in names):
        yield f"{where}: {value!r} is no {names}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{where}: {value!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r}"
    if isinstance(value, dict):
        properties = schema.get("properties")
        yield from (
            f"{where}.{name}: missing" for name in schema.get("required", ()) if name not in value
        )
        for name, each in value.items():
            if properties and name in properties:
                yield from faults(each, properties[name], f"{where}.{name}")
            elif properties and "additionalProperties" not in schema:
                yield f"{where}.{name}: not in the document"
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from faults(each, schema["items"], f"{where}[{index}]")
