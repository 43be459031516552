from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ValidationError
from core.period import Period
from invoicing.assemble import assemble
from invoicing.errors import CurrencyMismatchError, NegativeTotalError
from invoicing.used import Used
from tests.invoicing.builders import NOVEMBER, billable, plan_line, terms, usage

FEE = plan_line("fee", "flat", {"amount": "49.00"})
TOKENS = plan_line("tokens", "per_unit", {"amount": "0.333"}, meter_number=1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.decimals(0, 10**6, places=4), max_size=3).map(tuple), min_size=1, max_size=8
    )
)
@pytest.mark.req("INV-16")
def test_line_totals_add_up_to_the_invoice_total(used: list[tuple[Decimal, ...]]) -> None:
    bills = [billable(number, [FEE, TOKENS]) for number in range(len(used))]
    rows = [
        (bill, 1, f"subject-{index}", str(quantity))
        for bill, quantities in zip(bills, used, strict=True)
        for index, quantity in enumerate(quantities)
    ]
    invoices = assemble(terms(), bills, usage(*rows))
    assert [invoice.subscription_id for invoice in invoices] == [
        bill.subscription_id for bill in bills
    ]
    for invoice, quantities in zip(invoices, used, strict=True):
        assert sum(line.amount_minor for line in invoice.lines) == invoice.total_minor
        assert invoice.lines[1].quantity == sum(quantities)
        assert invoice.total_minor == invoice.subtotal_minor == invoice.amount_due_minor


def test_the_same_inputs_give_equal_invoices_and_equal_ids() -> None:
    bills = [billable(1, [FEE, TOKENS]), billable(2, [TOKENS])]
    used = [(bills[0], 1, "a", "3"), (bills[0], 1, "b", "4"), (bills[1], 1, "c", "5")]
    first = assemble(terms(), bills, usage(*used))
    assert first == assemble(terms(), bills, usage(*reversed(used)))
    assert len({invoice.invoice_id for invoice in first}) == 2
    assert len({line.line_id for invoice in first for line in invoice.lines}) == 3


def test_a_customer_is_billed_alike_alone_and_in_company() -> None:
    bills = [billable(1, [FEE, TOKENS]), billable(2, [TOKENS])]
    used = [(bills[0], 1, "a", "3"), (bills[1], 1, "c", "5")]
    together = assemble(terms(), bills, usage(*used))
    alone = [
        assemble(terms(), [bill], usage(row))[0] for bill, row in zip(bills, used, strict=True)
    ]
    assert together == alone


def test_a_digest_changes_with_what_was_used_and_only_with_that() -> None:
    bill = billable(1, [FEE, TOKENS])
    [[fee, tokens]] = [assemble(terms(), [bill], usage((bill, 1, "a", "7")))[0].lines]
    split = usage((bill, 1, "a", "3"), (bill, 1, "b", "4"))
    [other] = assemble(terms(), [bill], split)
    assert fee.usage_digest is None
    assert tokens.quantity == other.lines[1].quantity
    assert tokens.usage_digest != other.lines[1].usage_digest
    [again] = assemble(terms(), [bill], Used(split.plain.reverse()))
    assert again.lines[1].usage_digest == other.lines[1].usage_digest


def test_two_periods_of_one_subscription_are_two_invoices_each_with_its_own_usage() -> None:
    october = Period(datetime(2023, 10, 1, tzinfo=UTC), NOVEMBER.start)
    bills = [billable(1, [TOKENS], period=october), billable(1, [TOKENS])]
    first, second = assemble(
        terms(), bills, usage((bills[0], 1, "a", "100"), (bills[1], 1, "a", "200"))
    )
    assert first.invoice_id != second.invoice_id
    assert (first.total_minor, second.total_minor) == (3330, 6660)  # x 0.333


def test_the_due_date_counts_days_where_the_customer_lives() -> None:
    # 1 March 2024 05:00 UTC is midnight in New York; clocks go forward on 10 March.
    issued = datetime(2024, 3, 1, 5, tzinfo=UTC)
    [invoice] = assemble(terms(issued), [billable(1, [FEE], time_zone="America/New_York")], usage())
    assert invoice.due_at == datetime(2024, 3, 31, 4, tzinfo=UTC)


def test_a_price_in_another_currency_is_refused() -> None:
    line = plan_line("tokens", "per_unit", {"amount": "1"}, meter_number=1, currency="USD")
    with pytest.raises(CurrencyMismatchError, match="tokens: its price is in USD"):
        assemble(terms(), [billable(1, [line])], usage())


def test_a_negative_total_is_refused() -> None:
    bill = billable(1, [TOKENS])
    with pytest.raises(NegativeTotalError, match=r"total: -3.33 EUR"):
        assemble(terms(), [bill], usage((bill, 1, "a", "-10")))


def test_a_total_at_the_limit_is_refused() -> None:
    lines = [
        plan_line(key, "per_unit", {"amount": "900000000000000"}, meter_number=1)
        for key in ("one", "two")
    ]
    bill = billable(1, lines)
    with pytest.raises(ValidationError, match=r"over the limit of 10\^18"):
        assemble(terms(), [bill], usage((bill, 1, "a", "10")))
