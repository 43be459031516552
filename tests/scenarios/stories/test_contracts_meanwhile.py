"""A contract is made while its customer's invoice is drafted: one of the two comes first."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from core.clock import ManualClock
from core.errors import ConflictError
from invoicing.billing_run import BillingRunner
from invoicing.tenants import billing_tenants
from subscriptions.contracts.contract import Contract
from tests.scenarios.stories.teller import Town, lines_of, on
from tests.scenarios.stories.test_contracts import agree, flat, own
from usage.reader import UsageReader

MAY = on(5, 1)


def test_a_draft_that_a_contract_made_wrong_is_not_kept(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    town._write()
    made: list[Contract] = []

    def meanwhile(name: str) -> None:
        if name == "block rated" and not made:
            price = own("fee", flat("12.00"), on(4, 16))
            made.append(agree(town, MAY, start=on(4, 16), prices=[price]))

    with closing(UsageReader(town.endpoints.clickhouse)) as reader:
        with town.database.transaction() as conn:
            [tenant] = billing_tenants(conn)
        runner = BillingRunner(town.database, reader, ManualClock(MAY), checkpoint=meanwhile)
        with pytest.raises(ConflictError, match="a contract changed while its invoice was drafted"):
            runner.close(tenant, MAY)
        [closed] = replace(runner, checkpoint=lambda _: None).close(tenant, MAY)
    [invoice] = closed.invoices
    assert lines_of(invoice)[:2] == [
        ("fee", "04-01..04-16", 15_00),
        ("fee", "04-16..05-01", 6_00),  # 12.00 x 15 of 30 days
    ]


def test_a_contract_for_another_time_or_customer_disturbs_no_draft(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    town._write()
    made: list[Contract] = []

    def meanwhile(name: str) -> None:
        if name == "block rated" and not made:
            made.append(agree(town, MAY, prices=[own("fee", flat("1.00"), MAY)]))
            price = own("fee", flat("1.00"), on(4, 1))
            agree(town, on(4, 1), slug="bobs", customer="bob", prices=[price])

    with closing(UsageReader(town.endpoints.clickhouse)) as reader:
        with town.database.transaction() as conn:
            [tenant] = billing_tenants(conn)
        runner = BillingRunner(town.database, reader, ManualClock(MAY), checkpoint=meanwhile)
        [closed] = runner.close(tenant, MAY)
    assert made
    assert lines_of(closed.invoices[0])[0] == ("fee", "04-01..05-01", 30_00)
