"""Subscriptions that were stored before they had a life keep their ends, planned or past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
import pytest

from core.acting import Acting
from core.clock import ManualClock
from core.ids import TenantId
from db.migrations import discover
from db.outbox import changes_after
from db.postgres import Connection, Database
from infra.local.stack import LocalStack
from subscriptions.life.advance import advance
from subscriptions.life.subscription import Subscription, find_subscription

BEFORE = 16
TENANT = TenantId(UUID(int=1))
START = datetime(2026, 1, 31, tzinfo=UTC)
NOW = datetime(2026, 3, 10, tzinfo=UTC)
PLANNED = datetime(2026, 4, 15, tzinfo=UTC)
PAST = datetime(2026, 2, 10, tzinfo=UTC)
STORED = {
    "planned": ("ACTIVE", PLANNED),
    "on-trial": ("TRIALING", PLANNED),
    "overdue": ("ACTIVE", PAST),
    "over": ("CANCELED", PAST),
    "expired": ("EXPIRED", PAST),
    "open": ("ACTIVE", None),
}
"""State and end of each, as 0016 has them."""

_PARTIES = """
    INSERT INTO identity.tenants (id, slug, name, created_at) VALUES (%(id)s, 'acme', 'A', %(at)s);
    INSERT INTO catalog.pricing_plans (id, tenant_id, slug, name, valid_from, recorded_from)
    VALUES (%(id)s, %(id)s, 'standard', 'Standard', %(at)s, %(at)s);
    INSERT INTO catalog.plan_versions
        (id, tenant_id, plan_id, number, currency, content_hash, valid_from, recorded_from)
    VALUES (%(id)s, %(id)s, %(id)s, 1, 'EUR', repeat('0', 64), %(at)s, %(at)s);
    INSERT INTO subscriptions.customers
        (id, tenant_id, slug, name, time_zone, currency, valid_from, recorded_from)
    VALUES (%(id)s, %(id)s, 'contoso', 'Contoso', 'UTC', 'EUR', %(at)s, %(at)s)
"""
_SUBSCRIPTION = """
    INSERT INTO subscriptions.subscriptions
        (id, tenant_id, slug, customer_id, plan_id, plan_version_id, status, billing_cycle,
         currency, time_zone, anchor_at, ended_at, period_start, period_end, billed_until,
         valid_from, recorded_from)
    VALUES (%(id)s, %(tenant)s, %(slug)s, %(tenant)s, %(tenant)s, %(tenant)s, %(status)s,
        'monthly', 'EUR', 'UTC', %(start)s, %(end)s, %(start)s, %(period_end)s, NULL,
        %(start)s, %(start)s)
"""


@pytest.fixture
def old_database(stack: LocalStack) -> Iterator[str]:
    """With rows in the shape of 0016, migrated to the newest."""
    server = stack.endpoints().postgres
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute("CREATE DATABASE old_subscriptions")
        url = urlunsplit(urlsplit(server)._replace(path="/old_subscriptions"))
        fill(url)
        yield url
        conn.execute("DROP DATABASE old_subscriptions WITH (FORCE)")


def fill(url: str) -> None:
    migrations = discover("postgres")
    with psycopg.connect(url) as conn:
        for migration in migrations[:BEFORE]:
            conn.execute(migration.text.encode())
        conn.commit()
        for statement in _PARTIES.split(";"):
            conn.execute(statement.encode(), {"id": TENANT, "at": START})
        for number, (slug, (status, end)) in enumerate(STORED.items(), 1):
            conn.execute(
                _SUBSCRIPTION.encode(),
                {
                    "id": UUID(int=number),
                    "tenant": TENANT,
                    "slug": slug,
                    "status": status,
                    "start": START,
                    "end": end,
                    "period_end": end if end == PAST else datetime(2026, 2, 28, tzinfo=UTC),
                },
            )
        conn.commit()
        for migration in migrations[BEFORE:]:
            conn.execute(migration.text.encode())


def read(conn: Connection) -> dict[str, Subscription]:
    return {slug: find_subscription(conn, TENANT, slug) for slug in STORED}


def come_to(db: Database, at: datetime) -> None:
    advance(db, ManualClock(at), TENANT, at)


def test_a_planned_end_is_kept_and_comes_when_it_is_due(old_database: str) -> None:
    with Database(old_database) as db:
        with db.transaction(Acting(TENANT)) as conn:
            before = read(conn)
        for slug, (status, end) in STORED.items():
            stands = before[slug].standing
            assert (stands.status, stands.start) == (status, START), slug
            planned = status in {"ACTIVE", "TRIALING"}
            assert stands.cancel_at == (end if planned else None), slug
            assert stands.over_at == (None if planned else end), slug
            [terms] = stands.terms
            assert (terms.start, terms.end) == (START, end), slug

        come_to(db, NOW)
        with db.transaction(Acting(TENANT)) as conn:
            now = read(conn)
        states = {slug: each.standing.status for slug, each in now.items()}
        assert states == {
            "planned": "ACTIVE",
            "on-trial": "TRIALING",
            "overdue": "CANCELED",
            "over": "CANCELED",
            "expired": "EXPIRED",
            "open": "ACTIVE",
        }
        assert now["overdue"].standing.over_at == PAST, "when it was, not when it was seen"

        come_to(db, PLANNED - timedelta(microseconds=1))
        with db.transaction(Acting(TENANT)) as conn:
            assert read(conn)["planned"].standing.status == "ACTIVE"
        come_to(db, PLANNED)
        with db.transaction(Acting(TENANT)) as conn:
            after = read(conn)
            told = changes_after(conn, TENANT, 0, 100, ["subscription.status.changed"]).events
        for slug in ("planned", "on-trial"):
            assert (after[slug].standing.status, after[slug].standing.over_at) == (
                "CANCELED",
                PLANNED,
            )
        assert after["open"].standing.status == "ACTIVE"
        assert sorted(each.resource_id for each in told) == sorted(
            before[slug].as_resource()["id"] for slug in ("planned", "on-trial", "overdue")
        )
