"""A price of every model as a plan writes it, and what it comes to by a recount of raw events.

The recount takes the events as they were sent and `Fraction`: it imports nothing that bills.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from tests.rating import around_oracle, event_oracle, oracle, time_oracle
from tests.rating.around_oracle import Expected

ZONE = "Europe/Berlin"
FEE = "49.99"


@dataclass(frozen=True)
class Use:
    """An event that counts: not taken back, with a number."""

    subject: str
    time: datetime
    value: Fraction
    region: str
    size: str
    amount: Fraction | None


@dataclass(frozen=True)
class Case:
    """One price and its meter."""

    parameters: dict[str, Any]
    meter: str | None = "units"
    adjustments: dict[str, Any] = field(default_factory=dict)
    quantity: str | None = None
    model: str = ""

    def price(self, model: str) -> dict[str, Any]:
        around = {"adjustments": self.adjustments} if self.adjustments else {}
        return {"model": model, **self.parameters, **around}


TIERS = [
    {"up_to": "100.5", "unit_amount": "0.10", "flat_amount": "3"},
    {"up_to": 1000, "unit_amount": "0.0333", "flat_amount": "1.005"},
    {"unit_amount": "0.02"},
]
PACKAGES = [
    {"up_to": "500", "unit_amount": "4", "flat_amount": "1", "size": "100"},
    {"unit_amount": "7.5", "size": "250"},
]
CELLS = [
    {"values": {"region": "eu", "size": "s"}, "unit_amount": "0.5"},
    {"values": {"region": "us", "size": "xl"}, "unit_amount": "0.125"},
]

CASES: Mapping[str, Case] = {
    "flat": Case({"amount": FEE}, None, {"percent_discount": "3.3"}),
    "per_unit": Case({"amount": "0.333"}, adjustments={"free_units": "10.5", "maximum": "100"}),
    "package": Case(
        {"amount": "5", "size": "10"},
        adjustments={"unit_conversion": {"per": "7", "round": "up"}, "amount_discount": "1.5"},
    ),
    "graduated": Case({"tiers": TIERS, "group_by": ["region"]}, adjustments={"minimum": "500"}),
    "volume": Case({"tiers": TIERS}, adjustments={"percent_discount": "12.345"}),
    "stairstep": Case({"tiers": [{"up_to": "9", "flat_amount": "5"}, {"flat_amount": "66.605"}]}),
    "graduated_package": Case({"tiers": PACKAGES}, adjustments={"usage_discount": "20"}),
    "volume_package": Case({"tiers": PACKAGES}, adjustments={"free_units": "11"}),
    "threshold_total": Case(
        {"thresholds": [{"from": "10", "amount": "15"}, {"from": "100", "amount": "28.335"}]}
    ),
    "matrix": Case({"dimensions": ["size", "region"], "cells": CELLS, "default": "0.0125"}),
    "capacity": Case(
        {
            "dimension": "region",
            "tiers": [
                {"limits": {"eu": "5", "us": "9"}, "flat_amount": "1"},
                {"limits": {"eu": "5000", "us": "9000"}, "flat_amount": "10"},
                {"flat_amount": "100"},
            ],
        },
        "peak",
    ),
    "percentage": Case(
        {"rate": "2.9", "fixed": "0.25", "maximum": "1.5", "free_events": 5, "free_amount": "60"},
        adjustments={"percent_discount": "1"},
    ),
    "graduated_percentage": Case(
        {"tiers": [{"up_to": "100", "rate": "3"}, {"rate": "1.25", "flat_amount": "2"}]}
    ),
    "basis_points": Case({"bps": "35", "cap": "0.2", "group_by": ["region"]}),
    "dynamic": Case({"multiplier": "1.15", "default": "0.02", "event_amount": "cost.total"}),
    "cost_plus": Case({"margin": "17.5"}, adjustments={"minimum": "10000"}),
    "time_of_day": Case(
        {
            "bands": [
                {
                    "from": "08:00",
                    "to": "18:00",
                    "days": ["mon", "tue", "wed", "thu", "fri"],
                    "unit_amount": "0.01",
                    "connect_fee": "0.05",
                },
                {"unit_amount": "0.0025"},
            ],
            "increments": {"first": "60", "next": "6"},
        }
    ),
    "percent_of_lines": Case(
        {"percent": "7.5", "lines": ["fee"]}, None, {"minimum": "4", "maximum": "90"}
    ),
    "seats": Case({"tiers": TIERS}, None, quantity="250", model="volume"),
}


def expected(name: str, uses: Sequence[Use], share: Fraction = Fraction(1)) -> Expected:
    """What the line of a case comes to."""
    case = CASES[name]
    model, around = case.model or name, around_oracle.for_share(CASES[name].adjustments, share)
    if case.quantity is None:
        case = replace(case, parameters=_flats_for_share(case.parameters, share))
    if case.quantity is not None:
        total = Fraction(case.quantity)
        amount = _by_quantity(model, {"": total}, case) * share
    elif name == "flat":
        total, amount = Fraction(1), Fraction(FEE) * share
    elif name == "percent_of_lines":
        total = Fraction(oracle.minor_units(Fraction(FEE), 2, "half_away_from_zero"), 100)
        amount = oracle.percent_of_lines(total, case.parameters)
    elif name in _EVENTS:
        total = sum((use.value for use in uses), Fraction(0))
        amount = sum(_by_events(name, uses, case.parameters), Fraction(0))
    else:
        used = _groups(uses, case)
        total = sum(used.values(), Fraction(0))
        amount = _by_quantity(model, around_oracle.priced(used, around), case)
    return around_oracle.line(total, amount, around, 2, "half_away_from_zero")


def _flats_for_share(parameters: Mapping[str, Any], share: Fraction) -> dict[str, Any]:
    """Flat amounts of a model for a share of the period; no bound, no unit price, no fee."""
    shared = around_oracle.flats_for_share(parameters, share)
    if "thresholds" in shared:
        shared["thresholds"] = [
            {**each, "amount": Fraction(each["amount"]) * share} for each in shared["thresholds"]
        ]
    return shared


def peaks(uses: Sequence[Use]) -> dict[str, Fraction]:
    """By region, the largest values of the subjects, added up."""
    return {json.loads(group)[0]: peak for group, peak in _groups(uses, CASES["capacity"]).items()}


def _groups(uses: Sequence[Use], case: Case) -> dict[str, Fraction]:
    names = sorted(
        case.parameters.get("group_by")
        or case.parameters.get("dimensions")
        or [each for each in (case.parameters.get("dimension"),) if each]
    )
    values: defaultdict[tuple[str, str], list[Fraction]] = defaultdict(list)
    for use in uses:
        words = [getattr(use, name) for name in names]
        group = json.dumps(words, separators=(",", ":")) if names else ""
        values[use.subject, group].append(use.value)
    found: defaultdict[str, Fraction] = defaultdict(Fraction)
    for (_, group), some in values.items():
        found[group] += max(some) if case.meter == "peak" else sum(some)
    return dict(found) if names else {"": found[""]}


def _by_quantity(model: str, priced: Mapping[str, Fraction], case: Case) -> Fraction:
    parameters = case.parameters
    if model == "capacity":
        peaks = {json.loads(group)[0]: peak for group, peak in priced.items()}
        return oracle.capacity(peaks, parameters)
    if model == "matrix":
        cells = [oracle.matrix_cell(units, parameters, group) for group, units in priced.items()]
        return sum((cell for cell in cells if cell is not None), Fraction(0))
    rule: Callable[[Fraction, Mapping[str, Any]], Fraction] = getattr(oracle, model)
    return sum((rule(units, parameters) for units in priced.values()), Fraction(0))


_EVENTS = ("percentage", "basis_points", "dynamic", "time_of_day")


def _by_events(name: str, uses: Sequence[Use], parameters: Mapping[str, Any]) -> list[Fraction]:
    ordered = sorted(uses, key=lambda use: use.time)
    if name == "time_of_day":
        return [time_oracle.time_of_day(use.time, use.value, ZONE, parameters) for use in ordered]
    if name == "dynamic":
        return event_oracle.dynamic([(use.value, use.amount) for use in ordered], parameters)
    if name == "percentage":
        return event_oracle.percentage([use.value for use in ordered], parameters)
    by_region = [[use.value for use in ordered if use.region == each] for each in ("eu", "us")]
    return [cost for some in by_region for cost in event_oracle.basis_points(some, parameters)]
