"""A preview says what the invoice will say, and leaves no trace."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from core.acting import Acting
from core.errors import ValidationError
from invoicing.subscription_preview import SubscriptionPreview, preview_subscription
from subscriptions.commands import Change
from subscriptions.commands.bodies import parse_command
from subscriptions.life.lifecycle import InvalidStateTransitionError
from tests.scenarios.stories.teller import Town, lines_of, on
from usage.reader import UsageReader


def preview(town: Town, day: int, command: str | None, **given: Any) -> SubscriptionPreview:
    if not town.written:
        town._write()
    with closing(UsageReader(town.endpoints.clickhouse)) as usage:
        body = None if command is None else parse_command(command, given)
        acting = Acting(town.tenant_id, "story")
        clock = town.desk(on(4, day)).clock
        return preview_subscription(town.database, lambda: usage, clock, acting, "sub", body)


def test_an_upgrade_is_previewed_as_it_is_billed(town: Town) -> None:
    town.use("ada-app", on(4, 5), "150")
    town.use("ada-app", on(4, 20), "150")
    town.subscribe(on(4, 1), "basic")
    before = town.desk(on(4, 11)).find()
    found = preview(town, 11, "change", plan="pro")
    assert found.subscription.plan == "pro"
    assert town.desk(on(4, 11)).find() == before, "nothing was changed"
    wanted = [
        ("fee", "04-01..04-11", 10_00),
        ("fee", "04-11..05-01", 60_00),
        ("tokens", "04-01..04-11", 1_50),
        ("tokens", "04-11..05-01", 10_50),
    ]
    assert [lines_of(each) for each in found.invoices] == [wanted]
    town.do(on(4, 11), Change(town.desk(on(4, 11)).version("pro")))
    assert [lines_of(each) for each in town.close(on(5, 1))] == [wanted]


def test_without_a_command_it_is_the_invoice_so_far(town: Town) -> None:
    town.use("ada-app", on(4, 5), "150")
    town.subscribe(on(4, 1), "basic")
    [invoice] = preview(town, 11, None).invoices
    assert lines_of(invoice) == [("fee", "04-01..05-01", 30_00), ("tokens", "04-01..05-01", 1_50)]


def test_a_cancellation_shows_the_last_invoice(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    found = preview(town, 11, "cancel", at="now")
    assert found.subscription.standing.status == "CANCELED"
    assert [lines_of(each)[0] for each in found.invoices] == [("fee", "04-01..04-11", 10_00)]
    assert town.desk(on(4, 11)).find().standing.status == "ACTIVE"


def test_what_would_be_refused_is_refused(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    with pytest.raises(InvalidStateTransitionError):
        preview(town, 11, "reactivate")
    with pytest.raises(ValidationError, match="command: there is none called 'explode'"):
        preview(town, 11, "explode")
