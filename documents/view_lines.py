"""The lines of an invoice as rows of a table: what is billed, and under it how it came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any, Final
from zoneinfo import ZoneInfo

from core.money import Currency
from documents.texts import DOT, group_digits, service_period, shortest

Step = Mapping[str, Any]

_DECIMALS_MAX: Final = 6
"""An exact amount with more decimals is shown rounded, and marked."""

_DIGITS: Final = 120
_UNITS: Final = ((timedelta(days=1), "days"), (timedelta(hours=1), "hours"))
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_TAKEN: Final = {
    "free_units": "Included",
    "free_units_per_group": "Included",
    "usage_discount": "Discounted units",
}
_NUMBERED: Final = {
    "graduated": "Tier",
    "volume": "Tier",
    "stairstep": "Tier",
    "graduated_package": "Tier",
    "volume_package": "Tier",
    "threshold_total": "Threshold",
    "capacity": "Tier",
    "graduated_percentage": "Tier",
    "basis_points": "Tier",
    "time_of_day": "Band",
}
"""Models whose tiers are known by their numbers, and what people call them."""

_BARE: Final = frozenset({"true_up", "settlement"})
"""Kinds of lines that are an amount and nothing else."""

_OFF: Final = {"amount_discount": "Discount", "maximum": "Above the maximum"}


def line_rows(line: Mapping[str, Any], period: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows of description, note, quantity, unit_amount, per, amount; steps are `small`.

    `last`: whether a line ends here. `period` is that of the invoice.
    """
    currency = Currency(line["amount"]["currency"])
    steps = [step for step in line.get("tiers", ()) if _says(step)]
    prices = [step for step in steps if step["step"] == "price"]
    price = line_price(line, currency)
    if len(steps) == len(prices) == 1 and "group" not in prices[0]:
        price["amount"] = price["amount"] or _unit_text(prices[0], currency)
        steps = []
    bare = line.get("kind") in _BARE
    if bare:
        steps = []
    first = {
        "small": False,
        "description": line["description"],
        "note": _service_note(line, period),
        "quantity": "" if bare else shortest(line["quantity"]),
        "unit_amount": price["amount"],
        "per": price["per"],
        "amount": group_digits(line["amount"]["amount"]),
    }
    rows = [first, *_step_rows(steps, line["price"]["model"], currency)]
    return [row | {"last": row is rows[-1]} for row in rows]


def line_price(line: Mapping[str, Any], currency: Currency) -> dict[str, str]:
    """What a unit costs, as it was sold; empty where the amount is no product of it."""
    price = line["price"]
    if line.get("kind") in _BARE:
        return {"amount": "", "per": ""}
    if price["model"] == "percent_of_lines":
        return {"amount": f"{shortest(price['parameters']['percent'])} %", "per": ""}
    if line["unit_amount"] is None and price["model"] != "flat":
        return {"amount": "", "per": ""}
    if price["model"] in {"flat", "per_unit"}:
        return unit_price(price["parameters"], currency)
    return {"amount": money_text(line["unit_amount"], currency), "per": ""}


def unit_price(parameters: Mapping[str, str], currency: Currency) -> dict[str, str]:
    """A price as it was sold: `amount` with at least the currency's digits, and `per`."""
    per = Decimal(parameters.get("per", "1"))
    return {
        "amount": money_text(parameters["amount"], currency),
        "per": "" if per == 1 else f"per {shortest(f'{per:f}')}",
    }


def money_text(text: str, currency: Currency) -> str:
    """An exact amount with at least the currency's digits."""
    amount = Decimal(text)
    return group_digits(f"{amount:.{max(currency.minor_digits, _decimals(amount))}f}")


def _service_note(line: Mapping[str, Any], period: Mapping[str, str]) -> str:
    """When the line is for, if that is not the invoice's period, and which share of it that is.

    A line that has a period of its own says which share of that it is.
    """
    service = line.get("service_period")
    if service is None:
        return ""
    note = service_period(service, ZoneInfo(period["time_zone"]))
    part, whole = (
        datetime.fromisoformat(each["end"]) - datetime.fromisoformat(each["start"])
        for each in (service, period)
    )
    if "timing" in line or "every" in line:
        if "share" not in line:
            return note
        whole = part * line["share"]["denominator"] // line["share"]["numerator"]
    for unit, name in _UNITS:
        if not part % unit and not whole % unit:
            return f"{note}{DOT}{part // unit:,} of {whole // unit:,} {name}"
    return note


def _says(step: Step) -> bool:
    """Whether a step did anything; the share of the period is told by the note."""
    moved = Decimal(step["amount"]) or Decimal(step.get("units", "0"))
    return step["step"] != "share" and bool(moved)


def _step_rows(steps: list[Step], model: str, currency: Currency) -> Iterator[dict[str, Any]]:
    for step in steps:
        told = _told(step, model, currency)
        yield {"small": True, "note": "", "per": "", "unit_amount": "", "quantity": ""} | told


def _told(step: Step, model: str, currency: Currency) -> dict[str, str]:
    name, group = step["step"], _group_text(step)
    if name == "price":
        return {
            "description": _joined(group, _tier_text(step, model)),
            "quantity": shortest(step["units"]),
            "unit_amount": _unit_text(step, currency),
            "amount": _amount(step["amount"], currency),
        }
    if name == "unit_conversion":
        each = f"{shortest(step['units'])} in units of {shortest(step['value'])}"
        return _row(_joined(group, each), quantity=shortest(step["quantity"]))
    if name in _TAKEN:
        return _row(_joined(group, _TAKEN[name]), quantity=shortest(f"-{step['units']}"))
    label = str(_OFF.get(name, name))
    if name == "percent_discount":
        label = f"Discount {shortest(step['value'])} %"
    return _row(label, amount=_amount(step["amount"], currency))


def _row(description: str, quantity: str = "", amount: str = "") -> dict[str, str]:
    return {"description": description, "quantity": quantity, "amount": amount}


def _tier_text(step: Step, model: str) -> str:
    """What the tier is called; nothing where the group says it all."""
    if not step["tier"]:
        return "Other" if Decimal(step["unit_amount"]) else "Free"
    if model in _NUMBERED:
        return f"{_NUMBERED[model]} {step['tier']}"
    return "" if "group" in step else "Price"


def _group_text(step: Step) -> str:
    return DOT.join(each or "none" for each in step.get("group", ()))


def _joined(group: str, text: str) -> str:
    return DOT.join(each for each in (group, text) if each)


def _unit_text(step: Step, currency: Currency) -> str:
    """Unit price, how often it counts where that is not the units, and what is on top."""
    unit, flat = Decimal(step["unit_amount"]), Decimal(step["flat_amount"])
    text = ""
    if unit or not flat:
        text = money_text(step["unit_amount"], currency)
        if step["quantity"] != step["units"]:
            text = f"{shortest(step['quantity'])} {_TIMES} {text}"
    if not flat:
        return text
    flat_text = money_text(step["flat_amount"], currency)
    return f"{text} + {flat_text}" if text else flat_text


def _amount(text: str, currency: Currency) -> str:
    amount = Decimal(text)
    if _decimals(amount) <= _DECIMALS_MAX:
        return money_text(text, currency)
    with localcontext() as context:
        context.prec = _DIGITS
        rounded = amount.quantize(Decimal(1).scaleb(-_DECIMALS_MAX), ROUND_HALF_EVEN)
    return f"\N{ALMOST EQUAL TO} {group_digits(f'{rounded:f}')}"


def _decimals(amount: Decimal) -> int:
    with localcontext() as context:
        context.prec = _DIGITS
        exponent = amount.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "an amount is finite"
    return max(0, -exponent)
