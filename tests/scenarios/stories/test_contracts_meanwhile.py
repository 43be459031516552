"""A contract is made while its customer's invoice is drafted: one of the two comes first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest

from core.clock import ManualClock
from core.errors import BusinessLogicError
from invoicing.billing_run import BillingRunner
from invoicing.model import Invoice
from invoicing.tenants import billing_tenants
from subscriptions.contracts.contract import Contract
from tests.scenarios.stories.teller import Town, lines_of, on
from tests.scenarios.stories.test_contracts import agree, flat, own
from usage.reader import UsageReader

MAY = on(5, 1)


def close(town: Town, checkpoint: Callable[[str], None]) -> list[Invoice]:
    if not town.written:
        town._write()
    with closing(UsageReader(town.endpoints.clickhouse)) as reader:
        with town.database.transaction() as conn:
            [tenant] = billing_tenants(conn)
        runner = BillingRunner(town.database, reader, ManualClock(MAY), checkpoint=checkpoint)
        [closed] = runner.close(tenant, MAY)
    return closed.invoices


def test_one_that_comes_during_the_draft_waits_and_is_refused(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    made: list[Future[Contract]] = []
    price = own("fee", flat("12.00"), on(4, 16))
    with ThreadPoolExecutor(1) as others:

        def meanwhile(name: str) -> None:
            if name == "block rated":
                made.append(others.submit(agree, town, MAY, start=on(4, 16), prices=[price]))

        [april] = close(town, meanwhile)
        with pytest.raises(BusinessLogicError, match="is invoiced up to 2024-05-01"):
            made[0].result(60)
    assert lines_of(april)[0] == ("fee", "04-01..05-01", 30_00)


def test_one_that_comes_before_the_draft_is_billed(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    price = own("fee", flat("12.00"), on(4, 16))

    def meanwhile(name: str) -> None:
        if name == "run started":
            agree(town, MAY, start=on(4, 16), prices=[price])

    [april] = close(town, meanwhile)
    assert lines_of(april)[:2] == [
        ("fee", "04-01..04-16", 15_00),
        ("fee", "04-16..05-01", 6_00),  # 12.00 x 15 of 30 days
    ]


def test_one_of_another_customer_waits_for_nobody(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    made: list[Contract] = []

    def meanwhile(name: str) -> None:
        if name == "block rated":
            price = own("fee", flat("1.00"), on(4, 1))
            made.append(agree(town, on(4, 1), slug="bobs", customer="bob", prices=[price]))

    [april] = close(town, meanwhile)
    assert [each.customer for each in made] == ["bob"]
    assert lines_of(april)[0] == ("fee", "04-01..05-01", 30_00)
