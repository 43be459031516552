"""Customers keep their history, and are found by what names them."""

from __future__ import annotations

import pytest

from core.clock import ManualClock
from core.errors import NotFoundError, ValidationError
from core.ids import TenantId
from db.postgres import Database
from subscriptions.customers.customer import find_customer
from tests.subscriptions.customers.customer_world import DAY, START, ensure


def test_a_customer_is_created_then_unchanged_then_updated(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        first, created = ensure(conn, clock, tenant_id)
        _, unchanged = ensure(conn, clock, tenant_id)
        clock.advance(DAY)
        moved, updated = ensure(conn, clock, tenant_id, billing_info={"address": ["Allee 1"]})
        assert (created, unchanged, updated) == ("created", "unchanged", "updated")
        assert moved == find_customer(conn, tenant_id, "contoso")
        assert moved.id == first.id
        assert moved.billing_info == {"address": ["Allee 1"]}


def test_what_was_known_when_about_when_can_be_read_back(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    question = """
        SELECT time_zone FROM
            (TABLE subscriptions.customers UNION ALL TABLE subscriptions.customers_history) AS facts
        WHERE valid_from <= %(about)s AND %(about)s < valid_to
            AND recorded_from <= %(known)s AND %(known)s < recorded_to"""
    with database.transaction() as conn:
        for zone in ("UTC", "Europe/Berlin", "Asia/Tokyo"):
            ensure(conn, clock, tenant_id, time_zone=zone)
            clock.advance(DAY)

        def known(about_day: int, known_day: int) -> list[str]:
            row = {"about": START + about_day * DAY, "known": START + known_day * DAY}
            return [found["time_zone"] for found in conn.execute(question, row)]

        # On day 0 the first zone was taken to hold for ever; each change holds from its own day on.
        assert [known(about, 0) for about in (0, 1, 2)] == [["UTC"]] * 3
        assert [known(about, 1) for about in (0, 1, 2)] == [["UTC"], *[["Europe/Berlin"]] * 2]
        assert [known(about, 2) for about in (0, 1, 2)] == [
            ["UTC"],
            ["Europe/Berlin"],
            ["Asia/Tokyo"],
        ]


def test_bad_facts_are_named(database: Database, clock: ManualClock, tenant_id: TenantId) -> None:
    with database.transaction() as conn:
        ensure(conn, clock, tenant_id)
        with pytest.raises(ValidationError, match=r"^time_zone: "):
            ensure(conn, clock, tenant_id, time_zone="Berlin")
        with pytest.raises(ValidationError, match=r"^slug: "):
            ensure(conn, clock, tenant_id, "Contoso Ltd")
        with pytest.raises(NotFoundError, match="none called 'nobody'"):
            find_customer(conn, tenant_id, "nobody")
