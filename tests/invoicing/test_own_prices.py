"""Which price a line has on which day: random contracts beside a calendar that is read by day."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from core.calendar.intervals import MONTHLY
from core.ids import ContractId, CustomerId, PlanId, SubscriptionId
from core.money import Currency
from invoicing.billed_lines import BilledPlan, billed_lines
from invoicing.model import PlanLine
from rating.prices import Price
from subscriptions.contracts.negotiated import CustomPrice, Negotiated
from subscriptions.life.timeline import Terms
from subscriptions.periods import DuePeriod
from tests.invoicing.builders import NOVEMBER, TENANT, plan_line

DAYS = 30
MINE, OTHER = (SubscriptionId(UUID(int=0x200 + each)) for each in (1, 2))
PLANS = [PlanId(UUID(int=0x700 + each)) for each in range(2)]
VERSIONS = [UUID(int=0x800 + each) for each in range(2)]
Own = tuple[int, int, int | None, SubscriptionId | None]
"""First day, day after the last one, plan, subscription."""


def day(number: int) -> datetime:
    return NOVEMBER.start + timedelta(days=number)


def price(number: int) -> Price:
    name = str(UUID(int=0x900 + number))
    return Price(name, "ab" * 32, "flat", {"amount": str(number)}, Currency("EUR"))


def own_price(number: int, own: Own) -> CustomPrice:
    start, end, plan, subscription = own
    return CustomPrice(
        ContractId(UUID(int=number)), f"c{number}", subscription,
        None if plan is None else PLANS[plan], "fee", price(number), 1, day(start), day(end),
    )  # fmt: skip


def due_of(terms: Sequence[Terms]) -> DuePeriod:
    return DuePeriod(
        TENANT, CustomerId(UUID(int=0x100)), MINE, VERSIONS[0], Currency("EUR"), "UTC", MONTHLY,
        NOVEMBER, NOVEMBER, (), (), tuple(terms),
    )  # fmt: skip


def plan_of(number: int) -> BilledPlan:
    """A fee, and a percentage of it."""
    support = plan_line("support", "percent_of_lines", {"percent": "10", "lines": ["fee"]})
    fee = PlanLine("fee", "Fee", None, price(1000 + number), 1)
    return BilledPlan(f"plan {number}", 1, (fee, support), (), PLANS[number])


spans = st.tuples(st.integers(-5, DAYS + 5), st.integers(1, 20)).map(lambda x: (x[0], sum(x)))
owns = st.tuples(spans, st.sampled_from([None, 0, 1]), st.sampled_from([None, MINE, OTHER])).map(
    lambda own: (*own[0], own[1], own[2])
)


def without_clashes(found: Sequence[Own]) -> list[CustomPrice]:
    kept: list[CustomPrice] = []
    for number, own in enumerate(found):
        mine = own_price(number, own)
        if not any(mine.clashes(each) for each in kept):
            kept.append(mine)
    return kept


@settings(max_examples=300, deadline=None)
@given(st.lists(owns, max_size=8), st.integers(1, DAYS - 1), st.booleans())
def test_each_day_has_the_price_that_holds_on_it(
    found: list[Own], changed: int, changes: bool
) -> None:
    own = without_clashes(found)
    parts = [(0, changed, 0), (changed, DAYS, 1)] if changes else [(0, DAYS, 0)]
    terms = [Terms(day(a), day(b), VERSIONS[plan]) for a, b, plan in parts]
    plans = {(VERSIONS[each], MONTHLY): plan_of(each) for each in range(2)}
    lines = billed_lines(due_of(terms), plans, Negotiated(tuple(own)))
    fees = [line for line in lines if line.key == "fee"]

    expected = [_on(found, own, number, 1 if changes and number >= changed else 0)
                for number in range(DAYS)]  # fmt: skip
    billed = []
    for line in fees:
        span = line.span_in(NOVEMBER)
        billed += [int(line.price.parameters["amount"])] * (span.end - span.start).days
    assert billed == expected
    changes_seen = sum(a != b for a, b in itertools.pairwise(expected))
    assert len(fees) == changes_seen + 1, "a price that goes on is one line"

    counted = {line.era for line in lines if line.key == "support"}
    assert {line.era for line in fees} <= counted, "each part is counted"


def _on(found: Sequence[Own], kept: Sequence[CustomPrice], number: int, plan: int) -> int:
    """What the fee is on a day, read from what was drawn."""
    known = {int(each.contract[1:]) for each in kept}
    for wanted in (plan, None):
        for position, (start, end, scope, subscription) in enumerate(found):
            mine = position in known and subscription != OTHER
            if mine and start <= number < end and scope == wanted:
                return position
    return 1000 + plan


def test_two_prices_clash_where_one_line_could_have_both() -> None:
    base = own_price(1, (0, 10, None, MINE))
    for own, clashes in (
        ((9, 20, None, MINE), True),
        ((9, 20, None, None), True),
        ((10, 20, None, MINE), False),
        ((9, 20, None, OTHER), False),
        ((9, 20, 0, MINE), False),
    ):
        other = own_price(2, own)
        assert base.clashes(other) is other.clashes(base) is clashes, own


def test_a_period_without_contracts_is_billed_as_the_plan_says() -> None:
    whole = [Terms(day(0), day(DAYS), VERSIONS[0])]
    plans = {(VERSIONS[0], MONTHLY): plan_of(0)}
    fee, support = billed_lines(due_of(whole), plans)
    assert (fee.span, support.span, fee.contract_id) == (None, None, None)
    assert Decimal(fee.price.parameters["amount"]) == 1000
