"""What a meter is: the events it counts and what about them, checked; and its document form.

Name, unit and metadata are labels and may change. Archiving is a label, too, with an instant of
event time that never moves once it is set: events at or after it are not counted. Stored rows go on
as if nothing had happened, so they stay a function of the log and of the definition; whoever reads
asks `counted_period` which part of a period counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from catalog.metering.aggregations import AGGREGATIONS, MICROS
from catalog.metering.conversion import Conversion, conversion_of
from catalog.metering.expressions import fits, parse_expression, parse_path, path_text
from catalog.metering.filters import Filter, filter_of
from core.errors import ValidationError
from core.events import TEXT_BYTES_MAX
from core.ids import MeterId, TenantId
from core.period import Period
from core.texts import check_text

Aggregation = Literal[
    "count", "sum", "min", "max", "avg", "latest", "unique_count", "weighted_sum", "percentile"
]
Per = Literal["second", "hour", "day"]

EVENT_TYPES_MAX: Final = 16
DIMENSIONS_MAX: Final = 16
LABEL_BYTES_MAX: Final = 256
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_DIMENSION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_DEFINITION: Final = frozenset(
    {"event_type", "event_types", "aggregation", "value", "filter", "dimensions", "unit",
     "conversion", "per", "percentile"}
)  # fmt: skip
_PERCENT_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class MeterDefinition:
    """One meter.

    `value` is the canonical text of an expression over an event's `data` object; a `count` has
    none, a `unique_count` a plain path. `dimensions` are (name, path) by name. `catalog_version`
    numbers the meters of all tenants 1..n in the order of creation. From `archived_at` on, in event
    time, nothing counts. `event_types` are sorted, each once.
    """

    id: MeterId
    tenant_id: TenantId
    slug: str
    name: str
    event_types: tuple[str, ...]
    aggregation: Aggregation
    value: str | None
    catalog_version: int
    filter: Filter | None = None
    dimensions: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    conversion: Conversion | None = None
    per: Per | None = None
    percentile: Decimal | None = None
    archived_at: datetime | None = None

    def __post_init__(self) -> None:
        check_slug(self.slug)
        object.__setattr__(self, "event_types", tuple(sorted(set(self.event_types))))
        _check_event_types(self.event_types)
        if self.value is not None:
            object.__setattr__(self, "value", parse_expression(self.value).text)
        _check_aggregation(self)
        named = (
            (name, path_text(parse_path(path, "dimensions"))) for name, path in self.dimensions
        )
        object.__setattr__(self, "dimensions", tuple(sorted(named)))
        _check_dimensions(self.dimensions)
        for label in ("name", "unit"):
            check_label(label, getattr(self, label))

    @property
    def archived(self) -> bool:
        """Whether it stops, or will stop, to count at some instant."""
        return self.archived_at is not None

    def as_document(self) -> dict[str, Any]:
        """What the meter measures, in the form of set-up file and API: no names, no labels."""
        document: dict[str, Any] = {
            "event_types": list(self.event_types),
            "aggregation": self.aggregation,
        }
        if self.value is not None:
            document["value"] = self.value
        if self.filter is not None:
            document["filter"] = self.filter.as_document()
        if self.dimensions:
            document["dimensions"] = dict(self.dimensions)
        if self.conversion is not None:
            document["conversion"] = self.conversion.as_document()
        if self.per is not None:
            document["per"] = self.per
        if self.percentile is not None:
            document["percentile"] = f"{self.percentile:f}"
        return document

    @classmethod
    def from_document(
        cls,
        document: Mapping[str, Any],
        *,
        meter_id: MeterId,
        tenant_id: TenantId,
        slug: str,
        name: str,
        catalog_version: int,
        unit: str | None = None,
        archived_at: datetime | None = None,
    ) -> MeterDefinition:
        """Read what `as_document` gives, or a person wrote: `event_type` may stand for one type.

        Raises `ValidationError` naming the field and the fix.
        """
        return cls(
            meter_id, tenant_id, slug, name, catalog_version=catalog_version,
            archived_at=archived_at,
            **_words(document) | ({} if unit is None else {"unit": unit}),
        )  # fmt: skip


def counted_period(meter: MeterDefinition, period: Period) -> Period | None:
    """The part of a period of event time in which a meter counts; None: no part of it.

    Every answer about an archived meter is the answer for this part, be it from rows or events.
    """
    if meter.archived_at is None or meter.archived_at >= period.end:
        return period
    if meter.archived_at <= period.start:
        return None
    return Period(period.start, meter.archived_at)


def is_slug(text: str) -> bool:
    """Whether a meter may be called so."""
    return _SLUG.fullmatch(text) is not None


def check_slug(slug: str, field: str = "slug") -> str:
    """`slug` itself. Raises `ValidationError` unless it is a short name in plain characters."""
    if not is_slug(slug):
        raise ValidationError(
            f"{field}: {slug!r} is not 1 to 64 of a-z, 0-9, _ and -, beginning and ending with a"
            " letter or digit",
            field=field,
        )
    return slug


def _words(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a definition out of a document."""
    unknown = sorted(document.keys() - _DEFINITION)
    if unknown:
        raise ValidationError(f"{unknown[0]}: a meter has no such field", field=unknown[0])
    types = document.get("event_types") or ()
    if "event_type" in document:
        if types:
            raise ValidationError(
                "event_type: give it or event_types, not both", field="event_type"
            )
        types = (document["event_type"],)
    if not isinstance(types, list | tuple) or not all(isinstance(each, str) for each in types):
        raise ValidationError("event_types: give a list of texts", field="event_types")
    dimensions = document.get("dimensions") or {}
    if not isinstance(dimensions, Mapping):
        raise ValidationError('dimensions: write { model = "model" }', field="dimensions")
    words: dict[str, Any] = {
        "event_types": tuple(types),
        "dimensions": tuple(
            (check_text(name, "dimensions"), check_text(path, f"dimensions.{name}"))
            for name, path in dimensions.items()
        ),
        "unit": document.get("unit") or "",
    }
    for word in ("aggregation", "value", "per"):
        given = document.get(word)
        words[word] = None if given is None else check_text(given, word)
    if document.get("filter") is not None:
        words["filter"] = filter_of(document["filter"])
    if document.get("conversion") is not None:
        words["conversion"] = conversion_of(document["conversion"])
    if document.get("percentile") is not None:
        words["percentile"] = _percentile(document["percentile"])
    return words


def _percentile(value: object) -> Decimal:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return Decimal("NaN")
    try:
        return Decimal(value)
    except ArithmeticError:
        return Decimal("NaN")


def _check_event_types(event_types: tuple[str, ...]) -> None:
    if not 1 <= len(event_types) <= EVENT_TYPES_MAX:
        raise ValidationError(
            f"event_type: give one, or event_types with 1 to {EVENT_TYPES_MAX}", field="event_type"
        )
    for event_type in event_types:
        check_text(event_type, "event_type")
        if not 1 <= len(event_type.encode()) <= TEXT_BYTES_MAX["type"]:
            raise ValidationError(
                f"event_type: give 1 to {TEXT_BYTES_MAX['type']} bytes", field="event_type"
            )


def _check_aggregation(meter: MeterDefinition) -> None:
    if meter.aggregation not in AGGREGATIONS:
        raise ValidationError(
            f"aggregation: {meter.aggregation!r} is none of {', '.join(AGGREGATIONS)}",
            field="aggregation",
        )
    aggregation = AGGREGATIONS[meter.aggregation]
    if (aggregation.reads == "nothing") != (meter.value is None):
        raise ValidationError(
            "value: a count must not have one, every other aggregation needs the value it reads;"
            f" {meter.slug} is a {meter.aggregation}",
            field="value",
        )
    if aggregation.reads == "text":
        parse_path(meter.value or "")
    if meter.per not in (MICROS if aggregation.parameter == "per" else {None}):
        raise ValidationError(
            f"per: a weighted_sum needs one of {', '.join(MICROS)}, nothing else has it",
            field="per",
        )
    if (aggregation.parameter == "percentile") != (meter.percentile is not None):
        raise ValidationError(
            "percentile: a percentile needs it, nothing else has it", field="percentile"
        )
    if meter.percentile is not None:
        _check_percentile(meter)


def _check_percentile(meter: MeterDefinition) -> None:
    percentile = meter.percentile or Decimal("NaN")
    if not fits(percentile) or not 0 < percentile <= _PERCENT_MAX:
        raise ValidationError(
            'percentile: give a number in quotes above 0 and up to 100, such as "95"',
            field="percentile",
        )
    object.__setattr__(meter, "percentile", Decimal(f"{percentile.normalize():f}"))


def _check_dimensions(dimensions: tuple[tuple[str, str], ...]) -> None:
    names = {name for name, _ in dimensions}
    paths = {path for _, path in dimensions}
    if max(len(names), len(dimensions)) > DIMENSIONS_MAX:
        raise ValidationError(
            f"dimensions: {len(dimensions)}, at most {DIMENSIONS_MAX} are allowed",
            field="dimensions",
        )
    if len(names) < len(dimensions) or len(paths) < len(dimensions):
        raise ValidationError("dimensions: each name and each path once", field="dimensions")
    for name in names:
        if not _DIMENSION.fullmatch(name):
            raise ValidationError(
                f"dimensions: {name!r} is not 1 to 64 of letters, digits, _ and -, beginning with a"
                " letter",
                field="dimensions",
            )


def check_label(label: str, text: str) -> None:
    """Refuse a label that is too long, or no text, with a `ValidationError`."""
    if len(check_text(text, label).encode()) > LABEL_BYTES_MAX:
        raise ValidationError(f"{label}: give at most {LABEL_BYTES_MAX} bytes", field=label)


def check_name(name: str | None) -> None:
    """Refuse a name that is empty or no label with a `ValidationError`; None is no name."""
    if name is None:
        return
    check_label("name", name)
    if not name.strip():
        raise ValidationError("name: give it one, or leave it out", field="name")
