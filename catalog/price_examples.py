"""Examples of a price book: what a quantity must come to, and what it does come to.

book = "book.toml"          # or the prices stand in this document, too

[[examples]]
price = "tokens"            # may be left out where the book has one price
quantity = "1500000"        # none for a price that takes no usage
amount = "4.25"             # what is billed; or `exact`, before its rounding; or both

[[examples]]
price = "storage"           # tells usage apart by region
used = [{ region = "eu", quantity = "3.5" }, { region = "us", quantity = "2" }]
amount = "1.38"

[[examples]]
price = "payments"          # reads single events: a second apart unless they say their `time`
events = [{ value = "40" }, { value = "80", amount = "3", zone = "Europe/Berlin" }]
amount = "1.60"

[[examples]]
price = "support"           # a percentage of lines: what they bill
lines = { compute = "3000", storage-hot = "1000" }
amount = "120"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

import polars as pl
import pydantic
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, Strict

from catalog.price_book import BookPrice
from core.calendar.zones import parse_time_zone
from core.errors import BusinessLogicError, ValidationError
from core.money import minor_text
from core.refusals import refusal_of
from rating import (
    GROUPED_EVENTS,
    GROUPED_USAGE,
    LINES,
    Price,
    derive_period,
    rate_period,
    usage_of_table,
)
from rating.explain import billed_minor, exact_amount, explain_line, plain
from rating.prices import model_named
from rating.prices.reading import group_text
from rating.tables import NO_PERIOD, NO_SUBSCRIPTION

EXAMPLES_MAX: Final = 1_000
EVENTS_MAX: Final = 1_000
"""Of one example."""

LINES_MAX: Final = 1_000
_DECIMALS_MAX: Final = 12


def _decimal(text: str) -> str:
    digits = text.removeprefix("-").replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError('give a decimal in quotes, such as "0.50"')
    return text


_Amount = Annotated[str, AfterValidator(_decimal)]


def _value(text: str) -> str:
    if len(_decimal(text).partition(".")[2]) > _DECIMALS_MAX:
        raise ValueError(f"at most {_DECIMALS_MAX} digits after the point")
    return text


_Value = Annotated[str, AfterValidator(_value)]


def _zone(text: str) -> str:
    try:
        parse_time_zone(text)
    except ValidationError as error:
        raise ValueError(error.message) from error
    return text


class ExampleEvent(BaseModel):
    """One event; what else it has are its dimensions."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, str]
    value: _Value
    time: Annotated[AwareDatetime, Strict(strict=False)] | None = None
    amount: _Value | None = None
    zone: Annotated[str, AfterValidator(_zone)] | None = None

    @property
    def dimensions(self) -> Mapping[str, str]:
        """By which the price tells events apart."""
        return self.__pydantic_extra__


class _Example(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    price: str | None = None
    quantity: _Amount | None = None
    used: list[dict[str, str]] | None = None
    events: Annotated[list[ExampleEvent], Field(min_length=1, max_length=EVENTS_MAX)] | None = None
    lines: Annotated[dict[str, _Amount], Field(max_length=LINES_MAX)] | None = None
    amount: _Amount | None = None
    exact: _Amount | None = None


class _Examples(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    examples: Annotated[list[_Example], Field(min_length=1, max_length=EXAMPLES_MAX)]


@dataclass(frozen=True, slots=True)
class Example:
    """One example: usage of one price and the amounts that are expected."""

    path: str
    price: Price
    used: tuple[Mapping[str, str], ...]
    """Rows of a table of usage: quantity and dimensions."""
    events: tuple[ExampleEvent, ...]
    """Of a price that reads single events."""
    lines: Mapping[str, str]
    """What other lines bill, by their keys, for a price that is a percentage of them."""
    amount: Decimal | None
    exact: Decimal | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an example comes to."""

    example: Example
    used_quantity: Decimal
    billed: str
    exact: str
    told: tuple[str, ...]
    """The derivation, line by line; or why there is none."""
    passed: bool


def parse_examples(document: Mapping[str, Any], prices: Sequence[BookPrice]) -> list[Example]:
    """The examples of a document. Raises `ValidationError` naming the path and the fix."""
    try:
        entries = _Examples.model_validate(dict(document)).examples
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error
    known = {each.key: each.price for each in prices}
    return [_example(entry, f"examples[{at}]", known) for at, entry in enumerate(entries)]


def check_example(example: Example) -> Outcome:
    """Price the example's usage and compare."""
    price = example.price
    meter = price.price_id if model_named(price.model).metered else None
    others = [_flat_line(price, key, billed) for key, billed in example.lines.items()]
    prices = [price, *others]
    metered = [(price.price_id, meter), *((each.price_id, None) for each in others)]
    rows = [(NO_SUBSCRIPTION, NO_PERIOD, key, each, key) for key, each in metered]
    lines = pl.DataFrame(rows, schema=LINES, orient="row")
    try:
        usage = pl.DataFrame(schema=GROUPED_USAGE)
        if example.used:
            schema = dict.fromkeys(example.used[0], pl.String)
            usage = usage_of_table(pl.DataFrame(list(example.used), schema=schema), [price])
        events = _event_frame(example) if example.events else None
        rated = rate_period(lines, usage, prices, events).row(0, named=True)
    except (BusinessLogicError, ValidationError) as error:
        return Outcome(example, Decimal(0), "", "", (error.message,), passed=False)
    steps = derive_period(lines, usage, prices, events).filter(line_id=rated["line_id"]).to_dicts()
    billed = minor_text(billed_minor(rated), price.currency.minor_digits)
    exact = exact_amount(rated)
    passed = example.amount in {None, Decimal(billed)} and example.exact in {None, exact}
    told = tuple(explain_line(rated, steps))
    return Outcome(example, rated["used_quantity"], billed, plain(exact), told, passed)


def _flat_line(price: Price, key: str, billed: str) -> Price:
    """The price of a line that bills just this, beside a percentage of it."""
    return replace(price, price_id=key, model="flat", parameters={"amount": billed}, adjustments={})


def _event_frame(example: Example) -> pl.DataFrame:
    names = model_named(example.price.model).terms(example.price.parameters).group_by
    rows = [
        (
            NO_SUBSCRIPTION,
            NO_PERIOD,
            example.price.price_id,
            event.time or NO_PERIOD + timedelta(seconds=number),
            f"event-{number:04}",
            Decimal(event.value),
            None if event.amount is None else Decimal(event.amount),
            event.zone,
            group_text(names) if names else "",
            group_text([event.dimensions[name] for name in names]) if names else "",
        )
        for number, event in enumerate(example.events)
    ]
    return pl.DataFrame(rows, schema=GROUPED_EVENTS, orient="row")


def _example(entry: _Example, path: str, known: Mapping[str, Price]) -> Example:
    key = next(iter(known)) if entry.price is None and len(known) == 1 else entry.price
    if key is None:
        raise ValidationError(f"{path}.price: missing; name one of the book's keys")
    if key not in known:
        raise ValidationError(f"{path}.price: {key!r} is not in the book; use one of its keys")
    price = known[key]
    amount, exact = (
        None if each is None else Decimal(each) for each in (entry.amount, entry.exact)
    )
    if amount is None and exact is None:
        raise ValidationError(f'{path}.amount: missing; say what is billed, such as "12.50"')
    digits = price.currency.minor_digits
    if amount is not None and amount != round(amount, digits):
        raise ValidationError(
            f"{path}.amount: {price.currency} has {digits} decimals; give `exact` for more of them"
        )
    used, events = _used(entry, path, price), tuple(entry.events or ())
    return Example(path, price, used, events, _lines(entry, path, price), amount, exact)


def _lines(entry: _Example, path: str, price: Price) -> Mapping[str, str]:
    is_of_lines, given = model_named(price.model).of_lines, entry.lines
    if not is_of_lines and given is not None:
        raise ValidationError(f"{path}.lines: {price.model} is not of other lines; leave it out")
    if is_of_lines and not given:
        raise ValidationError(
            f'{path}.lines: give what other lines bill, such as {{ compute = "3000" }}'
        )
    digits = price.currency.minor_digits
    for key, billed in (given or {}).items():
        if not key or key == price.price_id:
            raise ValidationError(f"{path}.lines: {key!r} is no key of another line")
        if Decimal(billed) != round(Decimal(billed), digits):
            raise ValidationError(f"{path}.lines.{key}: {price.currency} has {digits} decimals")
    return given or {}


def _used(entry: _Example, path: str, price: Price) -> tuple[Mapping[str, str], ...]:
    model = model_named(price.model)
    names = model.terms(price.parameters).group_by
    if model.over_events:
        events = entry.events or ()
        wrong = any(set(each.dimensions) != set(names) for each in events)
        if not events or wrong or entry.quantity is not None or entry.used is not None:
            fields = ", ".join(f'{name} = "…"' for name in ("value", *names))
            raise ValidationError(f"{path}.events: give a list of tables, each {{ {fields} }}")
        return ()
    if entry.events is not None:
        raise ValidationError(f"{path}.events: {price.model} reads no single events; leave it out")
    if not model.metered:
        if entry.quantity is not None or entry.used is not None:
            raise ValidationError(f"{path}.quantity: {price.model} takes no usage; leave it out")
        return ()
    if not names:
        if entry.quantity is None or entry.used is not None:
            raise ValidationError(f'{path}.quantity: give what was used, such as "1500"')
        return ({"quantity": entry.quantity},)
    if entry.used is None or any(set(each) != {*names, "quantity"} for each in entry.used):
        fields = ", ".join(f'{name} = "…"' for name in (*names, "quantity"))
        raise ValidationError(f"{path}.used: give a list of tables, each {{ {fields} }}")
    return tuple(entry.used)
