"""A plan's content as people write it, in a file or by API, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticKnownError

from catalog.features import Feature
from catalog.meters import MeterDefinition
from catalog.phases import PHASES_MAX, Phase
from catalog.plan_terms import RATE_CARDS_MAX, PlanEntitlement, PlanTerms, RateCard, Timing
from catalog.priced_meters import check_meter
from catalog.prices import PriceTerms, price_terms
from core.calendar.intervals import Interval
from core.errors import NotFoundError, ValidationError
from core.money import Currency
from core.quantities import parse_quantity
from core.refusals import located, refusal_of
from core.texts import check_text
from rating.rounding import DEFAULT_ROUNDING_MODE

_RULES: Final = ConfigDict(extra="forbid", strict=True, frozen=True)
ENTITLEMENTS_MAX: Final = 500
CURRENCIES_MAX: Final = 20
PRICES_MAX: Final = 5_000
"""Prices of one plan version, in all currencies and phases."""
_DEPTH_MAX: Final = 8
AROUND: Final = "adjustments"
"""The table of a price that says what stands around its model."""


def _plain(text: str) -> str:
    try:
        return check_text(text, "text")
    except ValidationError as error:
        raise ValueError(error.message) from error


def plain_table(table: dict[str, Any]) -> dict[str, Any]:
    """Refuse texts that Postgres does not keep, however deep they stand, and what is too deep.

    For pydantic: raises `ValueError`.
    """
    left: list[tuple[Any, int]] = [(table, 0)]
    while left:
        value, depth = left.pop()
        if isinstance(value, str):
            _plain(value)
        if depth > _DEPTH_MAX:
            raise ValueError(f"tables within tables: at most {_DEPTH_MAX}")
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        if isinstance(inner, list):
            left += [(each, depth + 1) for each in inner]
    return table


def _exact(value: Any) -> Any:
    """Refuse a field that is a float; those deeper down are refused by what reads them."""
    if isinstance(value, float):
        raise PydanticKnownError("string_type")
    return value


Text = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_plain)]
WrittenPrice = Annotated[
    dict[str, Annotated[Any, AfterValidator(_exact)]], AfterValidator(plain_table)
]


class RateCardEntry(BaseModel):
    """A line of a plan.

    `price` has `model` and its parameters, maybe `rounding`, and maybe `adjustments`, what stands
    around the model. `cadence` is the billing cycle of the subscriptions that the line is for;
    missing: of all. `every` is how often it is billed, a whole multiple of that cycle (missing: the
    cycle), and `timing` whether at the end of its period or, in advance, at the start.
    `quantity` in place of a `meter`: units that are agreed, such as seats, where the subscription
    says no other number. `prices` are those in other currencies, by currency; or all of them, in
    place of `price`.
    """

    model_config = _RULES
    key: Text
    name: Text
    meter: Text | None = None
    cadence: Text | None = None
    every: Text | None = None
    timing: Timing = "in_arrears"
    quantity: str | int | None = None
    price: WrittenPrice | None = None
    prices: Annotated[dict[Text, WrittenPrice], Field(max_length=CURRENCIES_MAX)] = {}


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


class PhasePriceEntry(BaseModel):
    """The price that the line `key` has in a phase; `prices` as in a line."""

    model_config = _RULES
    key: Text
    price: WrittenPrice | None = None
    prices: Annotated[dict[Text, WrittenPrice], Field(max_length=CURRENCIES_MAX)] = {}


class PhaseEntry(BaseModel):
    """What holds first for who subscribes; the phases follow each other, then comes the plan.

    It lasts as long as `lasts` says, such as "P14D" or "P3M"; the last may go on for ever. A
    `trial`, the first, waives fees, agreed quantities and the usage of `free_meters`. `prices` are
    those of single lines, `quantities` are agreed where the subscription says no other number.
    """

    model_config = _RULES
    key: Text
    name: Text
    lasts: Text | None = None
    trial: bool = False
    free_meters: Annotated[list[Text], Field(max_length=RATE_CARDS_MAX)] = []
    prices: Annotated[list[PhasePriceEntry], Field(max_length=RATE_CARDS_MAX)] = []
    quantities: Annotated[dict[Text, str | int], Field(max_length=RATE_CARDS_MAX)] = {}


class PlanContent(BaseModel):
    """What a version of a plan sells, and what it gives."""

    model_config = _RULES
    currency: Text
    rate_cards: Annotated[list[RateCardEntry], Field(min_length=1)]
    phases: Annotated[list[PhaseEntry], Field(max_length=PHASES_MAX)] = []
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
        _check_count(content)
        currency = Currency(content.currency)
        cards, entitlements = [], []
        for index, card in enumerate(content.rate_cards):
            with located(f"rate_cards[{index}]"):
                cards.append(_rate_card(card, currency, meters))
        for index, entry in enumerate(content.entitlements):
            with located(f"entitlements[{index}]"):
                entitlements.append(entitlement_of(entry, features.get(entry.feature)))
        phases = []
        for index, phase in enumerate(content.phases):
            with located(f"phases[{index}]"):
                phases.append(_phase(phase, currency, meters))
                _check_meters(phases[-1], cards, meters)
        return PlanTerms(currency, tuple(cards), tuple(entitlements), tuple(phases))


def _check_count(content: PlanContent) -> None:
    priced: list[RateCardEntry | PhasePriceEntry] = [*content.rate_cards]
    for phase in content.phases:
        priced += phase.prices
    if sum(int(each.price is not None) + len(each.prices) for each in priced) > PRICES_MAX:
        raise ValidationError(
            f"rate_cards: a plan has at most {PRICES_MAX:,} prices, in all currencies and phases;"
            " make it several plans",
            field="rate_cards",
        )


def _rate_card(
    entry: RateCardEntry, currency: Currency, meters: Mapping[str, MeterDefinition]
) -> RateCard:
    price, *others = _prices(entry, currency)
    cadence = None if entry.cadence is None else Interval.parse(entry.cadence, "cadence")
    every = None if entry.every is None else Interval.parse(entry.every, "every")
    agreed = None if entry.quantity is None else parse_quantity(entry.quantity, "quantity")
    meter_id = None
    if entry.meter is not None:
        meter = _meter(meters, entry.meter, "meter")
        for each in (price, *others):
            check_meter(each, meter)
        meter_id = meter.id
    return RateCard(
        entry.key,
        entry.name,
        price,
        meter_id,
        cadence,
        entry.timing,
        agreed,
        every=every,
        others=tuple(others),
    )


def _check_meters(
    phase: Phase, cards: Sequence[RateCard], meters: Mapping[str, MeterDefinition]
) -> None:
    """Refuse prices of a phase that ask for what the meters of their lines cannot tell."""
    known = {meter.id: meter for meter in meters.values()}
    for card in cards:
        for price in phase.prices.get(card.key, ()):
            card.priced(price)
            if card.meter_id is not None:
                check_meter(price, known[card.meter_id])


def _meter(meters: Mapping[str, MeterDefinition], slug: str, field: str) -> MeterDefinition:
    if slug not in meters:
        raise NotFoundError(f"{field}: there is none called {slug!r}; create it first")
    return meters[slug]


def _prices(entry: RateCardEntry | PhasePriceEntry, currency: Currency) -> list[PriceTerms]:
    """A line's price in each currency, that of the plan first."""
    main, others = entry.price, dict(entry.prices)
    path = "price"
    if main is None:
        main, path = others.pop(currency.code, None), f"prices.{currency}"
    if main is None:
        raise ValidationError(
            f"price: missing; add it, in {currency}, the currency of the plan", field="price"
        )
    if currency.code in others:
        raise ValidationError(
            f"prices.{currency}: `price` is in {currency} already; give one of the two",
            field=f"prices.{currency}",
        )
    with located(path):
        found = [price_of(main, currency)]
    for code in sorted(others):
        with located(f"prices.{code}"):
            found.append(price_of(others[code], Currency(code)))
    return found


def _phase(entry: PhaseEntry, currency: Currency, meters: Mapping[str, MeterDefinition]) -> Phase:
    prices: dict[str, tuple[PriceTerms, ...]] = {}
    for index, each in enumerate(entry.prices):
        with located(f"prices[{index}]"):
            if each.key in prices:
                raise ValidationError(f"key: {each.key!r} is priced twice", field="key")
            prices[each.key] = tuple(_prices(each, currency))
    return Phase(
        entry.key,
        entry.name,
        None if entry.lasts is None else Interval.lasting(entry.lasts),
        entry.trial,
        frozenset(_meter(meters, slug, "free_meters").id for slug in entry.free_meters),
        prices,
        {key: parse_quantity(each, f"quantities.{key}") for key, each in entry.quantities.items()},
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


def entitlement_of(entry: EntitlementEntry, feature: Feature | None) -> PlanEntitlement:
    """What is written about a feature. Raises `NotFoundError` for none, `ValidationError`."""
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
    limit = None if entry.limit is None else parse_quantity(entry.limit, "limit")
    if entry.hard and limit is None:
        raise ValidationError("hard: there is no limit to hold; add one", field="hard")
    reset = None if entry.reset is None else Interval.parse(entry.reset, "reset")
    return PlanEntitlement(feature.id, feature.slug, limit, entry.hard, reset, entry.value)
