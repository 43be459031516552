"""What a version of a plan sells and gives: its lines and entitlements, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal

import polars as pl

from catalog.meter_definition import check_slug
from catalog.phases import Phase, check_phases
from catalog.prices import PriceTerms, content_hash
from core.calendar.intervals import MONTHLY, Interval
from core.errors import ValidationError
from core.ids import FeatureId, MeterId
from core.money import Currency
from core.refusals import located
from rating.engine import rate_period
from rating.errors import LineOrderError
from rating.frames import LINES, USAGE

PlanKind = Literal["plan", "addon"]
"""What is bought by itself, or beside a plan, so many times."""

Timing = Literal["in_arrears", "in_advance"]
"""Whether a line is billed at the end of its own period, or at the start."""

RATE_CARDS_MAX: Final = 500
"""Lines of one plan version."""

_FLAT: Final = "flat"


@dataclass(frozen=True, slots=True)
class RateCard:
    """One line of a plan: a price, and the meter it is for (none for a flat fee).

    `key` names the line for ever, across versions; `name` is what the invoice says. It is for the
    subscriptions whose billing cycle is its `cadence`; for all where it has none. It is billed for
    each of its own periods, which last `every` (None: the billing cycle), at their end or, by its
    `timing`, at their start. With a `quantity` it is for units that are agreed, such as seats: so
    many, unless the subscription says another number; it then has no meter. `price` is in the
    plan's currency, `others` are in others.
    """

    key: str
    name: str
    price: PriceTerms
    meter_id: MeterId | None = None
    cadence: Interval | None = None
    timing: Timing = "in_arrears"
    quantity: Decimal | None = None
    every: Interval | None = None
    others: tuple[PriceTerms, ...] = ()

    def __post_init__(self) -> None:
        check_slug(self.key, "key")
        self._check_own_period()
        if self.quantity is not None:
            self._check_agreed()
        elif self.price.metered != (self.meter_id is not None):
            need = "must not have a meter"
            if self.price.metered:
                need = "needs a meter, or a quantity that is agreed"
            raise ValidationError(
                f"meter: the price model {self.price.model} of line {self.key!r} {need}",
                field="meter",
            )

    @property
    def of_the_period(self) -> bool:
        """Whether it is billed at the end of each billing period, for that period."""
        return self.timing == "in_arrears" and self.every is None

    def _check_own_period(self) -> None:
        every, cadence = self.every, self.cadence
        if every is not None and cadence is not None:
            if not every.is_multiple_of(cadence):
                raise ValidationError(
                    f"every: {every} of line {self.key!r} is no whole number of its cadence,"
                    f" {cadence}; give a multiple of that",
                    field="every",
                )
            if cadence.is_multiple_of(every):
                object.__setattr__(self, "every", None)
        if self.of_the_period:
            return
        field = "every" if self.every else "timing"
        if self.price.rated_by.of_lines:
            raise ValidationError(
                f"{field}: line {self.key!r} is a percentage of what a period bills, so it is"
                " billed at the end of each; leave it out",
                field=field,
            )
        if self.timing == "in_advance" and self.meter_id is not None:
            raise ValidationError(
                f"timing: line {self.key!r} is for the usage of a meter, which nobody knows in"
                " advance; leave it out, or agree a quantity",
                field="timing",
            )

    def priced(self, price: PriceTerms) -> RateCard:
        """The line at another price alone. Raises `ValidationError` for one of another kind."""
        model, was = price.rated_by, self.price.rated_by
        if (model.metered, model.of_lines) != (was.metered, was.of_lines):
            raise ValidationError(
                f"price: line {self.key!r} is {self._kind}, and {price.model} is no price for that;"
                " take another model",
                field="price",
            )
        return replace(self, price=price, others=())

    @property
    def _kind(self) -> str:
        if self.meter_id is not None:
            return "for the usage of a meter"
        if self.quantity is not None:
            return "for an agreed quantity"
        return "a percentage of other lines" if self.price.rated_by.of_lines else "a fee"

    def _check_agreed(self) -> None:
        model = self.price.rated_by
        if self.meter_id is not None:
            raise ValidationError(
                f"quantity: line {self.key!r} has a meter, which counts its quantity; give one of"
                " the two",
                field="quantity",
            )
        why = ""
        if model.over_events:
            why = "prices single events"
        elif not self.price.metered:
            why = "prices no quantity"
        elif self.price.group_by:
            why = "tells usage apart by groups"
        if why:
            raise ValidationError(
                f"quantity: {model.name} of line {self.key!r} {why}, so none can be agreed; leave"
                " it out",
                field="quantity",
            )


@dataclass(frozen=True, slots=True)
class PlanEntitlement:
    """What a plan version gives of a feature, called `feature`.

    Of a metered one up to `limit` (None: without end) in each `reset` (None: the billing period),
    refused beyond it where `hard`; of a static one the text `value`.
    """

    feature_id: FeatureId
    feature: str
    limit: Decimal | None = None
    hard: bool = False
    reset: Interval | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """The content of a plan version. Raises `ValidationError` for what contradicts itself."""

    currency: Currency
    rate_cards: tuple[RateCard, ...]
    entitlements: tuple[PlanEntitlement, ...] = ()
    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        _check_lines(self.currency, self.rate_cards)
        check_phases(
            self.phases,
            {card.key: card.meter_id for card in self.rate_cards},
            frozenset(card.key for card in self.rate_cards if card.quantity is not None),
        )
        self._check_prices()
        features = [each.feature for each in self.entitlements]
        twice = sorted({name for name in features if features.count(name) > 1})
        if twice:
            raise ValidationError(
                f"entitlements: the feature {twice[0]!r} is given twice", field="entitlements"
            )

    def _check_prices(self) -> None:
        """In each currency and phase; percentages once for each way in which they stand."""
        seen: set[frozenset[tuple[str, str]]] = set()
        for currency in self.currencies:
            listed = self.cards_in(currency)
            for index, phase in [(None, None), *enumerate(self.phases)]:
                with located("" if index is None else f"phases[{index}]"):
                    cards = listed if phase is None else _in_phase(listed, phase, currency)
                    shares = frozenset(
                        (card.key, card.price.content_hash)
                        for card in cards
                        if card.price.rated_by.of_lines
                    )
                    if shares not in seen:
                        check_priced_lines(cards)
                    seen.add(shares)

    @property
    def currencies(self) -> tuple[Currency, ...]:
        """All that some price is in; the plan's first."""
        written = [
            *(each for card in self.rate_cards for each in (card.price, *card.others)),
            *(each for phase in self.phases for some in phase.prices.values() for each in some),
        ]
        others = {each.currency.code for each in written} - {self.currency.code}
        return (self.currency, *(Currency(code) for code in sorted(others)))

    def cards_in(self, currency: Currency, phase: Phase | None = None) -> tuple[RateCard, ...]:
        """The lines as they are sold in a currency, and priced in a phase.

        Raises `ValidationError` for a line that has no price there.
        """
        listed = tuple(
            card.priced(_price_in(currency, card.key, (card.price, *card.others), "rate_cards"))
            for card in self.rate_cards
        )
        return listed if phase is None else _in_phase(listed, phase, currency)

    def check_kind(self, kind: PlanKind) -> None:
        """Raise `ValidationError` for what an add-on cannot have: a fee by itself, phases."""
        if kind == "addon" and self.phases:
            raise ValidationError(
                "phases: an add-on has none; give them to the plan that it is bought beside",
                field="phases",
            )
        for index, card in enumerate(self.rate_cards):
            if kind == "addon" and card.meter_id is None and card.quantity is None:
                raise ValidationError(
                    f"rate_cards[{index}].quantity: line {card.key!r} of an add-on is no usage;"
                    ' give the quantity of one add-on, such as "1", and a price by the unit',
                    field=f"rate_cards[{index}].quantity",
                )

    def advertised(self) -> dict[str, Any]:
        """What a period costs before any use, by billing cycle: the sum of its flat fees.

        Fees that are billed less often than that stand beside it, by how often (`every`).
        """
        cadences = {card.cadence for card in self.rate_cards}
        cycles = {cadence for cadence in cadences if cadence is not None} or {MONTHLY}
        prices = {}
        for cycle in sorted(cycles, key=str):
            first, *others = [self._fees(cycle, each) for each in self.currencies]
            prices[str(cycle)] = first | ({"others": others} if others else {})
        return prices

    def _fees(self, cycle: Interval, currency: Currency) -> dict[str, Any]:
        fees = [
            card
            for card in self.cards_in(currency)
            if card.price.model == _FLAT and card.cadence in {None, cycle}
        ]
        own = {card.every for card in fees} - {None, cycle}
        shown = _sum_of(currency, (card for card in fees if card.every not in own))
        if own:
            shown["every"] = {
                str(every): _sum_of(currency, (card for card in fees if card.every == every))
                for every in sorted(own, key=str)
            }
        return shown

    @property
    def content_hash(self) -> str:
        """Hex SHA-256: equal terms have equal hashes, however written."""
        lines = [
            {
                "key": card.key,
                "name": card.name,
                "meter_id": None if card.meter_id is None else str(card.meter_id),
                "price": card.price.content_hash,
                "cadence": card.cadence and str(card.cadence),
                "timing": card.timing,
                **({} if card.every is None else {"every": str(card.every)}),
                **({} if card.quantity is None else {"quantity": f"{card.quantity:f}"}),
                **({"prices": sorted(o.content_hash for o in card.others)} if card.others else {}),
            }
            for card in self.rate_cards
        ]
        content: dict[str, Any] = {"currency": self.currency.code, "lines": lines}
        if self.entitlements:
            content["entitlements"] = [
                {
                    "feature_id": str(each.feature_id),
                    "limit": None if each.limit is None else f"{each.limit:f}",
                    "hard": each.hard,
                    "reset": each.reset and str(each.reset),
                    "value": each.value,
                }
                for each in sorted(self.entitlements, key=lambda each: each.feature)
            ]
        if self.phases:
            content["phases"] = [phase.hashed() for phase in self.phases]
        return content_hash(content)


def _in_phase(cards: Sequence[RateCard], phase: Phase, currency: Currency) -> tuple[RateCard, ...]:
    return tuple(
        card.priced(_price_in(currency, card.key, phase.prices[card.key], "prices"))
        if card.key in phase.prices
        else card
        for card in cards
    )


def _price_in(currency: Currency, key: str, prices: Sequence[PriceTerms], field: str) -> PriceTerms:
    for price in prices:
        if price.currency == currency:
            return price
    raise ValidationError(
        f"{field}: line {key!r} has no price in {currency}, in which the plan is sold; add one",
        field=field,
    )


def check_priced_lines(rate_cards: Sequence[RateCard]) -> None:
    """Refuse percentages of lines that wait for each other: rating would, in every period.

    And of lines that are not billed with them.
    """
    percentages = [card for card in rate_cards if card.price.rated_by.of_lines]
    if not percentages:
        return
    for card in percentages:
        for other in rate_cards:
            names = card.price.parameters["lines"]
            if not other.of_the_period and any(_names(name, other.key) for name in names):
                raise ValidationError(
                    f"rate_cards: {card.key!r} is a percentage of what a period bills, and"
                    f" {other.key!r} is billed in advance, or for more than a period; leave it out"
                    " of its lines",
                    field="rate_cards",
                )
    at = datetime(1970, 1, 1, tzinfo=UTC)
    meters = [f"of {card.key}" if card.price.metered else None for card in rate_cards]
    rows = [
        ("plan", at, card.key, meter, card.key)
        for card, meter in zip(rate_cards, meters, strict=True)
    ]
    try:
        rate_period(
            pl.DataFrame(rows, schema=LINES, orient="row"),
            pl.DataFrame(schema=USAGE),
            [card.price.as_price(card.key) for card in rate_cards],
        )
    except LineOrderError as error:
        raise ValidationError(f"rate_cards: {error.message}", field="rate_cards") from error


def _names(written: str, key: str) -> bool:
    """Whether a percentage's line, a key or its beginning and a star, is this one."""
    return key.startswith(written[:-1]) if written.endswith("*") else key == written


def _check_lines(currency: Currency, rate_cards: Sequence[RateCard]) -> None:
    if not 1 <= len(rate_cards) <= RATE_CARDS_MAX:
        raise ValidationError(
            f"rate_cards: a plan has 1 to {RATE_CARDS_MAX} of them", field="rate_cards"
        )
    for field in ("key", "meter_id"):
        seen: set[object] = set()
        for card in rate_cards:
            value = getattr(card, field)
            if value is not None and value in seen:
                raise ValidationError(
                    f"rate_cards: two lines have the {field} of {card.key!r}; a plan prices a meter"
                    " once, and a key names one line",
                    field=field,
                )
            seen.add(value)
    for card in rate_cards:
        if card.price.currency != currency:
            raise ValidationError(
                f"currency: line {card.key!r} is in {card.price.currency}, the plan in {currency}",
                field="currency",
            )


def _sum_of(currency: Currency, fees: Iterable[RateCard]) -> dict[str, Any]:
    amount = sum((Decimal(card.price.parameters["amount"]) for card in fees), Decimal(0))
    return {"amount": f"{amount:f}", "currency": currency.code}
