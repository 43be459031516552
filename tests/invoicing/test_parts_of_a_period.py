"""Lines that are billed for a part of their period: shares, agreed quantities, usage apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from core.period import Period
from documents.pdf import invoice_pdf
from invoicing.assemble import assemble
from invoicing.document import invoice_document
from invoicing.model import Billable, Invoice, InvoiceLine, PlanLine
from invoicing.used import SUBJECT_USAGE, Used
from tests.invoicing.builders import NOVEMBER, billable, meter, plan_line, terms
from tests.rating import oracle

CHANGED = datetime(2023, 11, 11, 7, 30, tzinfo=UTC)
BEFORE, AFTER = Period(NOVEMBER.start, CHANGED), Period(CHANGED, NOVEMBER.end)
TIERS = [
    {"up_to": "100", "unit_amount": "0.5", "flat_amount": "10"},
    {"unit_amount": "0.25", "flat_amount": "4"},
]
SEATS = {"amount": "20"}


def used(bill: Billable, *rows: tuple[Period, int, str]) -> Used:
    """Rows of span, meter number and quantity."""
    subscription = str(bill.subscription_id)
    return Used(
        pl.DataFrame(
            [
                (subscription, span.start, str(meter(number)), "a", Decimal(quantity), 1, 0)
                for span, number, quantity in rows
            ],
            schema=SUBJECT_USAGE,
            orient="row",
        )
    )


def bill_of(lines: Sequence[PlanLine], *rows: tuple[Period, int, str]) -> Invoice:
    bill = billable(1, lines)
    [invoice] = assemble(terms(), [bill], used(bill, *rows))
    return invoice


def exact(line: InvoiceLine) -> Fraction:
    rest = Fraction(line.amount_remainder, 10**36 * line.share.denominator)
    return Fraction(line.amount_exact) + rest


def share(span: Period) -> Fraction:
    return Fraction(
        int((span.end - span.start).total_seconds()),
        int((NOVEMBER.end - NOVEMBER.start).total_seconds()),
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 30 * 86_400 - 1), min_size=1, max_size=4, unique=True),
    st.decimals("0.01", "9999", places=3),
)
def test_flat_fees_of_all_parts_of_a_period_come_to_the_fee(cuts: list[int], fee: Decimal) -> None:
    start = int(NOVEMBER.start.timestamp())
    ends = [NOVEMBER.start, *(datetime.fromtimestamp(start + at, UTC) for at in sorted(cuts))]
    spans = [Period(*pair) for pair in zip(ends, [*ends[1:], NOVEMBER.end], strict=True)]
    invoice = bill_of([plan_line("fee", "flat", {"amount": str(fee)}, span=each) for each in spans])
    assert [line.service for line in invoice.lines] == spans
    for line, span in zip(invoice.lines, spans, strict=True):
        assert exact(line) == Fraction(fee) * share(span)
        assert line.amount_minor == oracle.minor_units(exact(line), 2, "half_away_from_zero")
    assert sum(exact(line) for line in invoice.lines) == Fraction(fee)
    assert len({line.line_id for line in invoice.lines}) == len(spans)


def test_seats_before_and_after_a_change_each_cost_their_share_of_the_period() -> None:
    invoice = bill_of(
        [
            plan_line("seats", "per_unit", SEATS, quantity="5", span=BEFORE),
            plan_line("seats", "per_unit", SEATS, quantity="8", span=AFTER),
        ]
    )
    first, second = invoice.lines
    assert (first.kind, first.quantity, first.meter_id) == ("agreed", Decimal(5), None)
    assert exact(first) == 100 * share(BEFORE)
    assert exact(second) == 160 * share(AFTER)
    assert first.line_id != second.line_id


def test_a_quantity_for_the_whole_period_is_a_product_that_the_line_shows() -> None:
    seats = plan_line("seats", "per_unit", SEATS, quantity="5.5")
    free = plan_line("free", "volume", {"tiers": TIERS}, quantity="0")
    [line, none] = bill_of([seats, free]).lines
    assert (line.quantity, line.unit_amount, line.amount_minor) == (
        Decimal("5.5"),
        Decimal(20),
        11_000,
    )
    assert none.amount_minor == 1000  # zero units: the flat amount of the first tier


def test_tiers_begin_again_in_each_span_and_their_flat_parts_take_the_share() -> None:
    lines = [
        plan_line("calls", "graduated", {"tiers": TIERS}, meter_number=1, span=span)
        for span in (BEFORE, AFTER)
    ]
    invoice = bill_of(lines, (BEFORE, 1, "150"), (AFTER, 1, "90"))
    first, second = invoice.lines
    assert exact(first) == 100 * Fraction(1, 2) + 50 * Fraction(1, 4) + 14 * share(BEFORE)
    assert exact(second) == 90 * Fraction(1, 2) + 10 * share(AFTER)
    for line in (first, second):
        steps = [
            Fraction(step["amount"])
            + Fraction(step.get("amount_remainder", 0), 10**36 * line.share.denominator)
            for step in line.tiers
        ]
        assert sum(steps) == exact(line)
    assert first.usage_digest != second.usage_digest


def test_a_percentage_is_of_the_lines_of_its_own_era() -> None:
    before, after = (
        plan_line("fee", "flat", {"amount": "100"}, span=span) for span in (BEFORE, AFTER)
    )
    percent: Mapping[str, Any] = {"percent": "10", "lines": ["fee"]}
    support = plan_line("support", "percent_of_lines", percent, span=AFTER)
    new = [replace(each, era=AFTER.start) for each in (after, support)]
    first, second, of_it = bill_of([before, *new]).lines
    assert of_it.kind == "percentage"
    assert of_it.quantity == Decimal(second.amount_minor) / 100
    assert of_it.quantity != Decimal(first.amount_minor) / 100
    *both, of_all = bill_of([before, after, support]).lines
    assert of_all.quantity == Decimal(sum(each.amount_minor for each in both)) / 100


def test_a_true_up_is_an_item_of_its_own_for_the_share_of_the_minimum() -> None:
    line = plan_line(
        "calls",
        "per_unit",
        {"amount": "1"},
        meter_number=1,
        span=AFTER,
        adjustments={"minimum": "300"},
    )
    calls, true_up = bill_of([line], (AFTER, 1, "80.005")).lines
    least = oracle.minor_units(300 * share(AFTER), 2, "half_away_from_zero")
    assert (calls.kind, calls.amount_minor, calls.true_up_of) == ("usage", 8001, None)
    assert (true_up.kind, true_up.amount_minor) == ("true_up", least - 8001)
    assert (true_up.true_up_of, true_up.position, true_up.service) == (calls.line_id, 2, AFTER)
    assert [step["step"] for step in true_up.tiers] == ["minimum"]


def test_the_document_tells_what_is_not_the_whole_period_and_the_pdf_prints() -> None:
    invoice = bill_of(
        [
            plan_line("fee", "flat", {"amount": "100"}),
            plan_line("seats", "per_unit", SEATS, quantity="5", span=AFTER),
        ]
    )
    document = invoice_document(invoice)
    fee, seats = document["lines"]
    assert not {"kind", "share", "service_period", "tiers", "used_quantity"} & fee.keys()
    assert seats["kind"] == "agreed"
    assert seats["service_period"] == {
        "start": "2023-11-11T07:30:00Z",
        "end": "2023-12-01T00:00:00Z",
    }
    assert seats["unit_amount"] is None
    found = Fraction(seats["share"]["numerator"], seats["share"]["denominator"])
    assert found == share(AFTER)
    rest = Fraction(seats.get("amount_remainder", 0), 10**36 * seats["share"]["denominator"])
    assert Fraction(seats["amount_exact"]) + rest == 100 * found
    assert invoice_pdf(document).startswith(b"%PDF")
