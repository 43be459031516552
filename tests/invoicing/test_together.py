"""Drafts of one payer become one invoice per currency; none is lost, doubled or changed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.ids import CustomerId, InvoiceId, TenantId
from core.money import MINOR_LIMIT, Currency
from invoicing.assemble import assemble
from invoicing.document import content_hash, handed_document, invoice_document
from invoicing.model import Invoice, PaidFor, ReceivedGroup
from invoicing.together import Payer, in_order_of_numbers, put_together
from tests.invoicing.builders import BUYER, billable, plan_line, terms, usage

PAYER = CustomerId(UUID(int=0x100))
MEMBERS = [TenantId(UUID(int=number)) for number in (8, 9)]


def draft(number: int, amount: int, currency: str = "EUR", child: str = "") -> Invoice:
    """Of PAYER, with one line of so many minor units, for a child if it has a name."""
    digits = Currency(currency).minor_digits
    price = {"amount": f"{amount / 10**digits:.{digits}f}"}
    bill = billable(number, [plan_line("fee", "flat", price, currency=currency)], currency=currency)
    [made] = assemble(terms(), [bill], usage())
    paid_for = PaidFor(CustomerId(UUID(int=0x900 + number)), child) if child else None
    return dataclasses.replace(made, customer_id=PAYER, paid_for=paid_for)


def received(number: int, amount: int, member: TenantId, currency: str = "EUR") -> ReceivedGroup:
    theirs = dataclasses.replace(draft(number, amount, currency), tenant_id=member)
    return ReceivedGroup(
        member,
        InvoiceId(theirs.invoice_id),
        PAYER,
        theirs.currency,
        theirs.total_minor,
        handed_document(theirs),
        theirs.issued_at,
    )


def payer(*, apart: bool = False) -> Payer:
    return Payer(PAYER, BUYER, "Europe/Berlin", apart)


rows = st.tuples(
    st.integers(0, 10**9), st.sampled_from(["EUR", "JPY", "KWD"]), st.sampled_from(["", "a", "b"])
)
foreign_rows = st.tuples(
    st.integers(0, 10**9), st.sampled_from(["EUR", "JPY"]), st.sampled_from(MEMBERS)
)


@given(st.lists(rows, max_size=6), st.lists(foreign_rows, max_size=3), st.booleans(), st.randoms())
def test_the_sum_over_groups_is_that_of_single_invoices(
    own: list[tuple[int, str, str]],
    foreign: list[tuple[int, str, TenantId]],
    apart: bool,
    rng: object,
) -> None:
    drafts = [draft(place, *row) for place, row in enumerate(own)]
    brought = [received(50 + place, row[0], row[2], row[1]) for place, row in enumerate(foreign)]
    made = put_together(terms(), payer(apart=apart), drafts, brought)

    expected: Counter[str] = Counter()
    for amount, currency, _ in [*own, *foreign]:
        expected[currency] += amount
    found: Counter[str] = Counter()
    for each in made:
        found[each.currency.code] += each.total_minor
    assert +found == +expected

    told = [invoice_document(each) for each in made]
    ids = [part["id"] for each in told for part in each.get("groups", [each])]
    hashes = [part["content_hash"] for each in told for part in each.get("groups", [each])]
    before = [invoice_document(each) for each in drafts] + [dict(each.document) for each in brought]
    assert sorted(ids) == sorted(each["id"] for each in before)
    assert sorted(hashes) == sorted(each["content_hash"] for each in before)
    for each, document in zip(made, told, strict=True):
        parts = document.get("groups", [document])
        assert len({part["total"]["currency"] for part in parts}) == 1
        assert each.total_minor == sum(_minor(part["total"], each.currency) for part in parts)
        assert not (apart and len(parts) > 1)

    # The order in which they came in changes nothing, nor does the number of those who made them.
    rng.shuffle(drafts)  # type: ignore[attr-defined]  # a Random
    again = put_together(terms(), payer(apart=apart), drafts, brought[::-1])
    assert [content_hash(each) for each in in_order_of_numbers(again)] == [
        content_hash(each) for each in in_order_of_numbers(made)
    ]


def _minor(money: dict[str, str], currency: Currency) -> int:
    return int(money["amount"].replace(".", "")) if currency.minor_digits else int(money["amount"])


def test_two_currencies_are_two_invoices() -> None:
    """EUR 10.00 + 5.00 of Ada; JPY 700 + 300 of Bob."""
    drafts = [
        draft(1, 1000), draft(2, 500, child="Ada"),
        draft(3, 700, "JPY"), draft(4, 300, "JPY", "Bob"),
    ]  # fmt: skip
    found = put_together(terms(), payer(), drafts, [])
    totals = [(each.currency.code, each.total_minor, len(each.groups)) for each in found]
    assert totals == [("EUR", 1500, 2), ("JPY", 1000, 2)]


def test_children_stand_by_name_behind_the_payer_and_tenants_behind_them() -> None:
    drafts = [draft(1, 1, child="Zoe"), draft(2, 1, child="Ada"), draft(3, 1)]
    brought = [received(4, 1, MEMBERS[1]), received(5, 1, MEMBERS[0])]
    [found] = put_together(terms(), payer(), drafts, brought)
    assert [each.paid_for and each.paid_for.name for each in found.groups] == [None, "Ada", "Zoe"]
    assert [each.member_tenant_id for each in found.received] == MEMBERS


def test_it_is_due_by_the_calendar_of_the_payer() -> None:
    """Issued 1 December 00:00 UTC, 30 days: in Berlin 31 December 01:00, which is 00:00 UTC."""
    [found] = put_together(terms(), payer(), [draft(1, 1), draft(2, 1, child="Ada")], [])
    assert found.due_at.isoformat() == "2023-12-31T00:00:00+00:00"
    assert found.time_zone == "Europe/Berlin"


def test_what_no_invoice_can_hold_stays_apart() -> None:
    """Two of 6 x 10^17 minor units: the sum would reach 10^18."""
    half = 6 * 10**17
    huge = [
        dataclasses.replace(draft(number, 1, child=name), total_minor=half)
        for number, name in ((1, ""), (2, "Ada"))
    ]
    assert half < MINOR_LIMIT
    assert put_together(terms(), payer(), huge, []) == huge
