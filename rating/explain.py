"""A derivation as people read it: one line of text per step, down to the amount that is billed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, Final

from core.money import Currency

Row = Mapping[str, Any]
"""A row of `frames.RATED` or `frames.DERIVATION`, by column."""

_EXACT: Final = Context(prec=60)


def exact_amount(row: Row) -> Decimal:
    """The limbs `amount_whole`, `amount_fraction` and `amount_rest` as one number."""
    whole = _EXACT.add(Decimal(row["amount_whole"]), row["amount_fraction"])
    return _EXACT.add(whole, row["amount_rest"]) if row["amount_rest"] else whole


def billed_minor(row: Row) -> int:
    """What a rated line comes to, its true-up included, in minor units."""
    return int(row["amount_minor"] + row["true_up_minor"])


def plain(value: Decimal) -> str:
    """Decimal text without exponent and trailing zeros: Decimal("1.500") → "1.5"."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"", "-0"} else text


def explain_line(rated: Row, steps: Sequence[Row]) -> list[str]:
    """Aligned text: what was used, each step with its numbers, the rounding, what is billed.

    `rated` is a row of `rate_period`, `steps` are those of `derive_period` for the same line.
    """
    money = Currency(rated["currency"])
    rows = [("used", plain(rated["used_quantity"]), "")]
    after = [step for step in steps if step["name"] in _AFTER_ROUNDING]
    rows += [_told(step) for step in steps if step not in after]
    rows += [
        ("exact", "", plain(exact_amount(rated))),
        ("rounded", rated["rounding_mode"], money.format_minor(rated["amount_minor"])),
        *(_told(step) for step in after),
        ("billed", "", f"{money.format_minor(billed_minor(rated))} {money}"),
    ]
    return _aligned(rows)


_AFTER_ROUNDING: Final = {"minimum"}
"""Steps that work in minor units: what they add is no part of the exact amount."""

_Told = tuple[str, str, str]


def _told(step: Row) -> _Told:
    amount = plain(exact_amount(step))
    if step["name"] == "price":
        tier = f" tier {step['tier']}" if step["tier"] else ""
        return f"price{tier}{_of_group(step)}", _product(step), amount
    said = "" if step["value"] is None else plain(step["value"])
    said += " %" if step["name"].startswith("percent") else ""
    if step["units"] is None:
        return f"{step['name']}{_of_group(step)}", said, amount
    units, left = plain(step["units"]), plain(step["quantity"])
    how = f"{units} at {said} each → {left}"
    if step["name"] != "unit_conversion":
        how = f"{units} of {said}, {left} left"
    return f"{step['name']}{_of_group(step)}", how, ""


def _of_group(step: Row) -> str:
    if not step["group"]:
        return ""
    return " of " + ", ".join("-" if each is None else each for each in json.loads(step["group"]))


def _product(step: Row) -> str:
    units, quantity = plain(step["units"]), plain(step["quantity"])
    if not (step["unit_amount"] or step["flat_amount"]):
        return f"{units} free"
    parts = []
    if step["unit_amount"]:
        parts.append(f"{quantity} × {plain(step['unit_amount'])}")  # noqa: RUF001 - read by people
    if step["flat_amount"]:
        parts.append(f"flat {plain(step['flat_amount'])}")
    how = " + ".join(parts)
    return how if quantity == units and step["unit_amount"] else f"{units} units: {how}"


def _aligned(rows: Sequence[_Told]) -> list[str]:
    """Amounts stand under each other, by their points."""
    places = [len(amount.partition(" ")[0].partition(".")[0]) for _, _, amount in rows]
    widths = [max(len(row[at]) for row in rows) for at in (0, 1)]
    return [
        f"{what:<{widths[0]}}  {how:<{widths[1]}}  {' ' * (max(places) - place)}{amount}".rstrip()
        for (what, how, amount), place in zip(rows, places, strict=True)
    ]
