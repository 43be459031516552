"""The document of a catalog: what is measured, given and sold, in files and over HTTP alike.

For example:

    [[meters]]
    slug = "context_tokens"
    name = "Context tokens"
    event_type = "llm.request"
    aggregation = "sum"
    value = "usage.context_tokens"        # a path into an event's data, or an expression
    dimensions = { model = "model" }      # usage is told apart by these
    unit = "tokens"

    [[features]]
    slug = "sso"
    name = "Single sign-on"
    kind = "boolean"

    [[plans]]
    slug = "standard"
    name = "Standard"
    currency = "USD"
    entitlements = [{ feature = "sso" }]

    [[plans.rate_cards]]
    key = "platform"
    name = "Platform fee"
    price = { model = "flat", amount = "99.00" }

    [[plans.rate_cards]]
    key = "context_tokens"
    name = "Context tokens"
    meter = "context_tokens"
    price = { model = "per_unit", amount = "3.00", per = 1_000_000 }
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from catalog.features import FeatureKind
from catalog.meters import Aggregation, Per
from catalog.plan_document import PlanContent, Text, plain_table
from catalog.plan_terms import PlanKind
from core.refusals import refusal_of

_RULES: Final = ConfigDict(extra="forbid", strict=True, frozen=True)


def _stored(table: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(plain_table(table), allow_nan=False)
    except TypeError as error:
        raise ValueError("give texts, numbers, truths, lists and tables") from error
    return table


class MeterEntry(BaseModel):
    """A meter; final once applied, but for `name`, `unit` and `metadata`."""

    model_config = _RULES
    slug: Text
    name: Text
    event_type: Text | None = None
    event_types: list[Text] = []
    aggregation: Aggregation
    value: Annotated[str, Field(min_length=1)] | None = None
    filter: dict[str, Any] | None = None
    dimensions: dict[str, str] = {}
    unit: str = ""
    conversion: dict[str, str | int] | None = None
    per: Per | None = None
    percentile: str | int | None = None
    metadata: dict[str, str] | None = None

    def definition(self) -> dict[str, Any]:
        """What `MeterDefinition.from_document` reads."""
        return self.model_dump(exclude={"slug", "name", "metadata"}, exclude_none=True)


class FeatureEntry(BaseModel):
    """What plans give; final once applied, but for `name` and `metadata`."""

    model_config = _RULES
    slug: Text
    name: Text
    kind: FeatureKind
    meter: Text | None = None
    metadata: dict[str, str] | None = None


class PlanEntry(PlanContent):
    """A plan; changed content makes its next version. An `addon` is bought beside a plan.

    A `draft` is written and not sold. Of the labels, what is left out stays.
    """

    slug: Text
    name: Text
    kind: PlanKind = "plan"
    draft: bool = False
    description: str | None = None
    public: bool | None = None
    limits: Annotated[dict[str, Any], Field(default_factory=dict), AfterValidator(_stored)]
    metadata: dict[str, str] | None = None

    def content(self) -> dict[str, Any]:
        """What a version of it sells and gives, as `parse_content` reads it."""
        return self.model_dump(
            include=set(PlanContent.model_fields), exclude_none=True, exclude_defaults=True
        )


class CatalogDocument(BaseModel):
    """All that a tenant measures, gives and sells; of each kind what is named, and no more."""

    model_config = _RULES
    meters: list[MeterEntry] = []
    features: list[FeatureEntry] = []
    plans: list[PlanEntry] = []


def parse_catalog(document: Mapping[str, Any]) -> CatalogDocument:
    """Check the shape of a catalog's document. Raises `ValidationError` naming path and fix."""
    try:
        return CatalogDocument.model_validate(dict(document))
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error
