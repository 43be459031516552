"""A meter in OpenMeter's words, and back."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, Field

from catalog.meter_register import StoredMeter
from catalog.metering.expressions import Path, parse_expression, parse_path, path_text
from core.clock import epoch_micros
from core.cloudevents.instants import instant_text
from core.errors import ValidationError
from core.ids import format_id

AGGREGATIONS: Final = frozenset({"sum", "count", "unique_count", "avg", "min", "max", "latest"})
"""Those of ours that the peer has, too: in capital letters."""

DESCRIPTION: Final = "description"
"""The key of a meter's metadata that holds the peer's description."""

_STEP: Final = re.compile(r"""\.([A-Za-z_][A-Za-z0-9_]*)|\['([^'\\]+)'\]|\["([^"\\]+)"\]""")
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

AggregationWord = Literal["SUM", "COUNT", "UNIQUE_COUNT", "AVG", "MIN", "MAX", "LATEST"]


class MeterCreate(BaseModel):
    """What a client sends; what else it has to say is not kept."""

    slug: str
    name: str | None = None
    description: str | None = None
    aggregation: AggregationWord
    event_type: Annotated[str, Field(alias="eventType")]
    event_from: Annotated[AwareDatetime | None, Field(alias="eventFrom")] = None
    value_property: Annotated[str | None, Field(alias="valueProperty")] = None
    group_by: Annotated[dict[str, str] | None, Field(alias="groupBy")] = None
    metadata: dict[str, str] | None = None


def document_of(meter: MeterCreate) -> dict[str, Any]:
    """The meter in our words. Raises `ValidationError`."""
    if meter.event_from is not None:
        raise ValidationError(
            "eventFrom: a meter counts all events of its type; leave it out, and ask with from",
            field="eventFrom",
        )
    if meter.aggregation != "COUNT" and meter.value_property is None:
        raise ValidationError(
            f"valueProperty: a {meter.aggregation} needs one, such as $.tokens",
            field="valueProperty",
        )
    document: dict[str, Any] = {
        "slug": meter.slug,
        "name": meter.name or meter.slug,
        "event_type": meter.event_type,
        "aggregation": meter.aggregation.lower(),
        "dimensions": {
            name: _path_of(path, f"groupBy.{name}") for name, path in (meter.group_by or {}).items()
        },
        "metadata": dict(meter.metadata or {}),
    }
    if meter.description:
        document["metadata"][DESCRIPTION] = meter.description
    if meter.aggregation != "COUNT":
        document["value"] = _path_of(meter.value_property or "", "valueProperty")
    return document


def speaks_of(meter: StoredMeter) -> bool:
    """Whether the peer has words for a meter."""
    return meter.definition.aggregation in AGGREGATIONS and not meter.definition.archived


def resource_of(meter: StoredMeter) -> dict[str, Any]:
    """The meter as the peer shows it. Of several event types, the first is named."""
    definition = meter.definition
    at = instant_text(epoch_micros(meter.created_at))
    metadata = {key: text for key, text in meter.metadata.items() if key != DESCRIPTION}
    resource: dict[str, Any] = {
        "id": format_id("mtr", definition.id),
        "slug": definition.slug,
        "name": definition.name,
        "aggregation": definition.aggregation.upper(),
        "eventType": definition.event_types[0],
        "groupBy": {name: _json_path(parse_path(path)) for name, path in definition.dimensions},
        "metadata": metadata,
        "createdAt": at,
        "updatedAt": at,
    }
    if definition.value is not None:
        path = parse_expression(definition.value).path
        resource["valueProperty"] = definition.value if path is None else _json_path(path)
    if DESCRIPTION in meter.metadata:
        resource["description"] = meter.metadata[DESCRIPTION]
    return resource


def _path_of(text: str, field: str) -> str:
    """`$.usage['input-tokens']` → `usage."input-tokens"`. Raises `ValidationError`."""
    steps: list[str] = []
    at = 1
    while text.startswith("$") and (found := _STEP.match(text, at)):
        steps.append(found[found.lastindex or 1])
        at = found.end()
    if not steps or at < len(text):
        raise ValidationError(
            f"{field}: {text[:100]!r} is not a path of names, such as $.usage.tokens", field=field
        )
    return path_text(parse_path(path_text(tuple(steps)), field))


def _json_path(path: Path) -> str:
    """The opposite of `_path_of`."""
    return "$" + "".join(f".{step}" if _PLAIN.fullmatch(step) else f"['{step}']" for step in path)
