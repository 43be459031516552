"""A plan's content as people write it, in a file or by API, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticKnownError

from catalog.features import Feature
from catalog.meters import MeterDefinition
from catalog.plan_terms import PlanEntitlement, PlanTerms, RateCard, Timing
from catalog.priced_meters import check_meter
from catalog.prices import PriceTerms, price_terms
from core.calendar.intervals import Interval
from core.errors import NotFoundError, ValidationError
from core.money import Currency
from core.refusals import located, refusal_of
from core.texts import check_text
from rating.rounding import DEFAULT_ROUNDING_MODE

_RULES: Final = ConfigDict(extra="forbid", strict=True, frozen=True)
_DECIMALS: Final = 12
_LIMIT_BELOW: Final = Decimal(10) ** 15
ENTITLEMENTS_MAX: Final = 500
_DEPTH_MAX: Final = 8
AROUND: Final = "adjustments"
"""The table of a price that says what stands around its model."""


def _plain(text: str) -> str:
    try:
        return check_text(text, "text")
    except ValidationError as error:
        raise ValueError(error.message) from error


def _plain_price(price: dict[str, Any]) -> dict[str, Any]:
    """Refuse texts that Postgres does not keep, however deep they stand, and what is too deep."""
    left: list[tuple[Any, int]] = [(price, 0)]
    while left:
        value, depth = left.pop()
        if isinstance(value, str):
            _plain(value)
        if depth > _DEPTH_MAX:
            raise ValueError(f"tables within tables: at most {_DEPTH_MAX}")
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        if isinstance(inner, list):
            left += [(each, depth + 1) for each in inner]
    return price


def _exact(value: Any) -> Any:
    """Refuse a field that is a float; those deeper down are refused by what reads them."""
    if isinstance(value, float):
        raise PydanticKnownError("string_type")
    return value


Text = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_plain)]
WrittenPrice = Annotated[
    dict[str, Annotated[Any, AfterValidator(_exact)]], AfterValidator(_plain_price)
]


class RateCardEntry(BaseModel):
    """A line of a plan.

    `price` has `model` and its parameters, maybe `rounding`, and maybe `adjustments`, what stands
    around the model. `cadence` is the billing cycle of the subscriptions that the line is for;
    missing: of all. `every` is how often it is billed, a whole multiple of that cycle (missing: the
    cycle), and `timing` whether at the end of its period or, in advance, at the start.
    `quantity` in place of a `meter`: units that are agreed, such as seats, where the subscription
    says no other number.
    """

    model_config = _RULES
    key: Text
    name: Text
    meter: Text | None = None
    cadence: Text | None = None
    every: Text | None = None
    timing: Timing = "in_arrears"
    quantity: str | int | None = None
    price: WrittenPrice


class EntitlementEntry(BaseModel):
    """What a plan gives of a feature.

    Of a metered one up to `limit` (missing: without end) in each period of `reset` (missing: the
    billing period), refused beyond it where `hard`; of a static one the text `value`.
    """

    model_config = _RULES
    feature: Text
    limit: str | int | None = None
    hard: bool = False
    reset: Text | None = None
    value: Text | None = None


class PlanContent(BaseModel):
    """What a version of a plan sells, and what it gives."""

    model_config = _RULES
    currency: Text
    rate_cards: Annotated[list[RateCardEntry], Field(min_length=1)]
    entitlements: Annotated[list[EntitlementEntry], Field(max_length=ENTITLEMENTS_MAX)] = []


def parse_content(document: Mapping[str, Any], at: str = "") -> PlanContent:
    """Check the shape of a plan's content. Raises `ValidationError` naming path and fix."""
    try:
        return PlanContent.model_validate(dict(document))
    except pydantic.ValidationError as error:
        raise refusal_of(error, at) from error


def terms_of(
    content: PlanContent,
    meters: Mapping[str, MeterDefinition],
    features: Mapping[str, Feature],
    at: str = "",
) -> PlanTerms:
    """Find what the content names among the tenant's `meters` and `features`, by slug.

    Raises `ValidationError`, `NotFoundError` naming the path below `at`.
    """
    with located(at):
        currency = Currency(content.currency)
        cards, entitlements = [], []
        for index, card in enumerate(content.rate_cards):
            with located(f"rate_cards[{index}]"):
                cards.append(_rate_card(card, currency, meters))
        for index, entry in enumerate(content.entitlements):
            with located(f"entitlements[{index}]"):
                entitlements.append(_entitlement(entry, features))
        return PlanTerms(currency, tuple(cards), tuple(entitlements))


def _rate_card(
    entry: RateCardEntry, currency: Currency, meters: Mapping[str, MeterDefinition]
) -> RateCard:
    with located("price"):
        price = price_of(entry.price, currency)
    cadence = None if entry.cadence is None else Interval.parse(entry.cadence, "cadence")
    every = None if entry.every is None else Interval.parse(entry.every, "every")
    agreed = None if entry.quantity is None else _quantity(entry.quantity, "quantity")
    meter_id = None
    if entry.meter is not None:
        meter = meters.get(entry.meter)
        if meter is None:
            raise NotFoundError(f"meter: there is none called {entry.meter!r}; create it first")
        check_meter(price, meter)
        meter_id = meter.id
    return RateCard(
        entry.key, entry.name, price, meter_id, cadence, entry.timing, agreed, every=every
    )


def price_of(written: Mapping[str, Any], currency: Currency) -> PriceTerms:
    """A price as people write it: `model`, its parameters, `rounding`, `adjustments`.

    Raises `ValidationError` naming the field and the fix.
    """
    parameters = dict(written)
    if "model" not in parameters:
        raise ValidationError('model: missing; write model = "per_unit"', field="model")
    model, rounding, adjustments = (
        parameters.pop(name, default)
        for name, default in (("model", ""), ("rounding", DEFAULT_ROUNDING_MODE), (AROUND, {}))
    )
    if not isinstance(adjustments, dict):
        raise ValidationError(f"{AROUND}: give a table", field=AROUND)
    return price_terms(str(model), currency.code, parameters, str(rounding), adjustments)


def _entitlement(entry: EntitlementEntry, features: Mapping[str, Feature]) -> PlanEntitlement:
    feature = features.get(entry.feature)
    if feature is None:
        raise NotFoundError(f"feature: there is none called {entry.feature!r}; create it first")
    metered = {"limit": entry.limit, "reset": entry.reset, "hard": entry.hard or None}
    if feature.kind != "metered":
        for name, value in metered.items():
            if value is not None:
                raise ValidationError(f"{name}: only metered features have it", field=name)
    if (feature.kind == "static") != (entry.value is not None):
        need = "needs" if feature.kind == "static" else "has no"
        raise ValidationError(f"value: a {feature.kind} feature {need} value", field="value")
    limit = None if entry.limit is None else _quantity(entry.limit, "limit")
    if entry.hard and limit is None:
        raise ValidationError("hard: there is no limit to hold; add one", field="hard")
    reset = None if entry.reset is None else Interval.parse(entry.reset, "reset")
    return PlanEntitlement(feature.id, feature.slug, limit, entry.hard, reset, entry.value)


def _quantity(written: str | int, field: str) -> Decimal:
    """A limit, or a number of units, as an exact decimal. Raises `ValidationError`."""
    try:
        number = Decimal(written)
    except InvalidOperation:
        number = Decimal(-1)
    exponent = number.as_tuple().exponent
    if not (number.is_finite() and 0 <= number < _LIMIT_BELOW and int(exponent) >= -_DECIMALS):
        raise ValidationError(
            f"{field}: {written!r} is no quantity: give 0 to below 10^15, with at most {_DECIMALS}"
            " decimals",
            field=field,
        )
    return Decimal(f"{number.normalize():f}") if number else Decimal(0)
