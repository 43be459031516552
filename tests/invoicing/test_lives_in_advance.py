"""Random lives of subscriptions that pay in advance and by the year, against a calendar by hand.

Invoices are made now and then, on time or months late, by the billing run itself. In the end all of
them together come to what the days came to, line by line and to the cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from fractions import Fraction
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from core.endpoints import Endpoints
from core.errors import BusinessLogicError, TollbookError
from db.postgres import Database
from invoicing.billing_run import BillingRunner
from invoicing.model import Invoice
from invoicing.tenants import billing_tenants
from subscriptions.commands import Cancel, Command
from tests.invoicing.world import CountingUsage
from tests.subscriptions.life.life_model import Life, RefusedError, month_end
from tests.subscriptions.life.test_life import PLANS, Lives, phases_of
from tests.subscriptions.operating import open_desk

CENTS = {
    "standard": {"fee": 10_00, "license": 100_00, "seats": 7_77, "audit": 366_00},
    "dearer": {"fee": 25_00, "license": 999_99, "seats": 3_33, "audit": 732_00},
}
"""What a whole own period of a line costs; of seats, one of them."""

YEARLY = {"license", "audit"}
YEARS = [0, 366, 731, 1096, 1461]


def rate_card(key: str, cents: int) -> dict[str, Any]:
    model = "per_unit" if key == "seats" else "flat"
    written: dict[str, Any] = {
        "key": key,
        "name": key,
        "price": {"model": model, "amount": f"{cents // 100}.{cents % 100:02}"},
        "timing": "in_arrears" if key == "audit" else "in_advance",
    }
    if key in YEARLY:
        written["every"] = "yearly"
    if key == "seats":
        written["quantity"] = "1"
    return written


def plan(slug: str) -> dict[str, Any]:
    cards = [rate_card(key, cents) for key, cents in CENTS[slug].items()]
    sold = {"slug": slug, "name": slug, "currency": "USD", "rate_cards": cards}
    return sold | {"phases": phases_of(slug)}


class LivesInAdvance(Lives):
    """One subscription, its model, and all its invoices."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.invoices: list[Invoice] = []
        self.cuts: set[int] = set()
        self.billed_on: int | None = None

    def _both(self, command: Command, same: Callable[[], None]) -> None:
        """Do it to both. What ends with the instant of an invoice in advance is refused."""
        before = deepcopy(self.model)
        try:
            same()
        except RefusedError:
            with pytest.raises(TollbookError):
                self._desk.do(command, self.slug)
            return
        try:
            self._desk.do(command, self.slug)
        except BusinessLogicError as error:
            assert "is invoiced in advance" in error.message  # noqa: PT017 - only sometimes
            assert self.billed_on == before.day
            self.model = before

    @rule(days=st.integers(1, 200))
    def live_on(self, days: int) -> None:
        """Longer than others wait, so that own periods end."""
        self.model.sleep(days)

    @rule()
    def bill(self) -> None:
        """Whatever is due by now, by the run itself."""
        if not hasattr(self, "model"):
            return
        desk = self._desk
        runner = BillingRunner(self.database, CountingUsage(), desk.clock)
        with self.database.transaction() as conn:
            [tenant] = billing_tenants(conn, str(desk.tenant_id))
        mine = desk.find(self.slug).id
        for closed in runner.close(tenant, desk.clock.now()):
            assert not closed.parked
            self.invoices += [each for each in closed.invoices if each.subscription_id == mine]
        self.billed_on = self.model.day
        if self.model.over:
            self.cuts.add(self.model.day)

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.model.sleep(1)
        if not self.model.over:
            self._both(Cancel("now"), lambda: self.model.cancel("now"))
        self.bill()
        found: Counter[str] = Counter()
        for invoice in self.invoices:
            for line in invoice.lines:
                found[line.line_key] += line.amount_minor
        assert {key: found[key] for key in CENTS["standard"]} == {
            key: truth(self.model, key, self.cuts if key == "audit" else set())
            for key in CENTS["standard"]
        }
        self._check_credits()

    def _check_credits(self) -> None:
        """What invoices asked for, less what is owed, is what all came to; none was negative."""
        left = 0
        for each in sorted(self.invoices, key=lambda each: (each.period.start, each.kind)):
            assert each.credit_before_minor == left
            left = each.credit_after_minor
            assert each.total_minor >= 0
            assert left == 0 or each.total_minor == 0
            assert each.total_minor - left == each.subtotal_minor - each.credit_before_minor
        assert self._desk.find(self.slug).credit_minor == left
        asked = sum(each.total_minor for each in self.invoices)
        lines = sum(line.amount_minor for each in self.invoices for line in each.lines)
        assert asked - left == lines


def truth(model: Life, key: str, cuts: set[int]) -> int:
    """What the days of a life came to, in cents: each run of days of one price rounded once."""
    total = 0
    for start, end in own_periods(key, len(model.billed)):
        run, price = 0, 0
        for number in range(start, end + 1):
            known = model.billed[number] if number < min(end, len(model.billed)) else None
            now = 0
            if known is not None and not known[1]:
                (name, quantity), _, _ = known
                now = CENTS[name][key] * (quantity or 1 if key == "seats" else 1)
            if now != price or number in cuts:
                total += rounded(Fraction(price * run, end - start))
                run, price = 0, now
            run += 1
    return total


def own_periods(key: str, days: int) -> Iterator[tuple[int, int]]:
    start = 0
    while start < days:
        end = next(each for each in YEARS if each > start) if key in YEARLY else month_end(start)
        yield start, end
        start = end


def rounded(exact: Fraction) -> int:
    whole, rest = divmod(exact, 1)
    return whole + (rest >= Fraction(1, 2))


def test_all_that_was_ever_invoiced_is_what_the_days_came_to(
    installation: Endpoints, life_cases: int
) -> None:
    with Database(installation.postgres) as database:
        live(database, life_cases)


def live(database: Database, cases: int) -> None:
    desk = open_desk(
        database,
        tenant={
            "slug": "lives",
            "name": "Lives",
            "invoicing": {"seller": {"name": "Lives GmbH", "address": ["Berlin"]}},
        },
        plans=[plan(slug) for slug in PLANS],
    )
    LivesInAdvance.desk, LivesInAdvance.database = desk, database
    LivesInAdvance.versions = {desk.version(plan): plan for plan in PLANS}
    run_state_machine_as_test(
        LivesInAdvance,
        settings=settings(
            max_examples=cases,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
