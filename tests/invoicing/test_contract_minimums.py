"""A contract's minimum is what the other lines lack of it, by its share of the period."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.ids import ContractId
from core.period import Period
from invoicing.assemble import assemble
from invoicing.model import MINIMUM_KEY, Invoice, PlanLine
from invoicing.used import Used
from tests.invoicing.builders import NOVEMBER, billable, plan_line, terms
from tests.rating import oracle

DEAL = ContractId(UUID(int=0x500))
SECONDS = 30 * 86_400
Amounts = st.decimals("0", "9999", places=3)


def minimum(amount: Decimal, span: Period) -> PlanLine:
    line = plan_line(MINIMUM_KEY, "flat", {"amount": str(amount)}, span=span)
    price_id = str(UUID(int=0x600 + int(span.start.timestamp())))
    price = replace(line.price, price_id=price_id)
    return replace(line, price=price, minimum=True, contract_id=DEAL)


def bill_of(lines: list[PlanLine]) -> Invoice:
    [invoice] = assemble(terms(), [billable(1, lines)], Used())
    return invoice


def rounded(amount: Decimal, seconds: int) -> int:
    share = Fraction(seconds, SECONDS)
    return oracle.minor_units(Fraction(amount) * share, 2, "half_away_from_zero")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(Amounts, max_size=3),
    st.lists(st.integers(1, SECONDS - 1), max_size=3, unique=True),
    st.lists(Amounts, min_size=4, max_size=4),
)
@example([Decimal("80.005")], [], [Decimal(100)] * 4)
@example([Decimal(30)], [SECONDS // 2], [Decimal(50), Decimal(200)] * 2)
def test_a_period_comes_to_its_minimums_or_to_more(
    fees: list[Decimal], cuts: list[int], least: list[Decimal]
) -> None:
    """Minimums that follow each other come to their sum, each rounded: as if they were one."""
    start = int(NOVEMBER.start.timestamp())
    edges = [0, *sorted(cuts), SECONDS]
    spans = list(itertools.pairwise(edges))
    lines = [plan_line(f"fee-{at}", "flat", {"amount": str(fee)}) for at, fee in enumerate(fees)]
    lines += [
        minimum(
            amount,
            Period(datetime.fromtimestamp(start + a, UTC), datetime.fromtimestamp(start + b, UTC)),
        )
        for amount, (a, b) in zip(least, spans, strict=False)
    ]
    invoice = bill_of(lines)
    others = sum(rounded(fee, SECONDS) for fee in fees)
    wanted = sum(rounded(amount, b - a) for amount, (a, b) in zip(least, spans, strict=False))
    assert invoice.total_minor == max(others, wanted)
    for line in invoice.lines[len(fees) :]:
        assert (line.kind, line.true_up_of, line.contract_id) == ("true_up", None, DEAL)
        assert line.amount_minor > 0
        assert line.amount_exact == Decimal(line.amount_minor) / 100
        assert sum(Decimal(step["amount"]) for step in line.tiers) == line.amount_exact
    assert len({line.line_id for line in invoice.lines}) == len(invoice.lines)
    assert [line.position for line in invoice.lines] == list(range(1, len(invoice.lines) + 1))


def test_a_lines_own_true_up_counts_for_the_contracts() -> None:
    fee = plan_line("fee", "flat", {"amount": "30"}, adjustments={"minimum": "80"})
    invoice = bill_of([fee, minimum(Decimal(100), NOVEMBER)])
    assert [(line.kind, line.amount_minor) for line in invoice.lines] == [
        ("fee", 30_00),
        ("true_up", 50_00),
        ("true_up", 20_00),
    ]
    assert [line.true_up_of for line in invoice.lines] == [None, invoice.lines[0].line_id, None]


def test_a_line_of_the_plan_may_be_called_like_the_minimum() -> None:
    fee = plan_line(MINIMUM_KEY, "flat", {"amount": "30"}, adjustments={"minimum": "80"})
    invoice = bill_of([fee, minimum(Decimal(100), NOVEMBER)])
    assert [line.amount_minor for line in invoice.lines] == [30_00, 50_00, 20_00]
    assert len({line.line_id for line in invoice.lines}) == 3
