"""Customers keep their history; a subject has one customer at any instant."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError
from core.ids import TenantId
from core.money import Currency
from db.postgres import Connection, Database
from identity.tenants import ensure_tenant
from subscriptions.customers import (
    Customer,
    Outcome,
    customer_of,
    ensure_customer,
    ensure_subject,
    find_customer,
    unlink_subject,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def tenant_id(database: Database, clock: ManualClock) -> TenantId:
    with database.transaction() as conn:
        return ensure_tenant(conn, clock, "acme", "Acme")[0].id


def ensure(
    conn: Connection,
    clock: ManualClock,
    tenant_id: TenantId,
    slug: str = "contoso",
    *,
    currency: str = "USD",
    time_zone: str = "UTC",
    billing_info: Mapping[str, Any] | None = None,
) -> tuple[Customer, Outcome]:
    return ensure_customer(
        conn,
        clock,
        tenant_id,
        slug=slug,
        name=slug.title(),
        time_zone=time_zone,
        currency=Currency(currency),
        billing_info=billing_info or {},
    )


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
        with pytest.raises(BusinessLogicError, match=r"^currency: .*pays in USD"):
            ensure(conn, clock, tenant_id, currency="EUR")
        with pytest.raises(ValidationError, match=r"^time_zone: "):
            ensure(conn, clock, tenant_id, time_zone="Berlin")
        with pytest.raises(ValidationError, match=r"^slug: "):
            ensure(conn, clock, tenant_id, "Contoso Ltd")
        with pytest.raises(NotFoundError, match="none called 'nobody'"):
            find_customer(conn, tenant_id, "nobody")


def test_a_subject_in_use_is_refused_with_both_names_and_the_transaction_goes_on(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        contoso, _ = ensure(conn, clock, tenant_id)
        fabrikam, _ = ensure(conn, clock, tenant_id, "fabrikam")
        assert ensure_subject(conn, clock, contoso, "chat", EVER)
        assert not ensure_subject(conn, clock, contoso, "chat", EVER)
        with pytest.raises(ConflictError, match=r"'chat'.*'fabrikam'.*'contoso'"):
            ensure_subject(conn, clock, fabrikam, "chat", START)
        with pytest.raises(ConflictError, match="'contoso'"):
            ensure_subject(conn, clock, contoso, "chat", START)
        assert ensure_subject(conn, clock, fabrikam, "code", START)


def test_a_subject_moves_at_an_instant_and_the_old_knowledge_stays(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        contoso, _ = ensure(conn, clock, tenant_id)
        fabrikam, _ = ensure(conn, clock, tenant_id, "fabrikam")
        ensure_subject(conn, clock, contoso, "chat", EVER)
        clock.advance(10 * DAY)
        move_at = START + 5 * DAY
        unlink_subject(conn, clock, tenant_id, "chat", move_at)
        ensure_subject(conn, clock, fabrikam, "chat", move_at)

        def owner(at: datetime, known_at: datetime | None = None) -> object:
            return customer_of(conn, tenant_id, "chat", at, known_at)

        just_before = move_at - timedelta(microseconds=1)
        assert (owner(just_before), owner(move_at)) == (contoso.id, fabrikam.id)
        assert owner(move_at, START + DAY) == contoso.id
        with pytest.raises(NotFoundError):
            unlink_subject(conn, clock, tenant_id, "code", move_at)


def test_tenants_may_have_subjects_of_the_same_name(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        other = ensure_tenant(conn, clock, "other", "Other")[0].id
        for tenant in (tenant_id, other):
            assert ensure_subject(conn, clock, ensure(conn, clock, tenant)[0], "chat", EVER)


def test_of_customers_that_claim_a_subject_at_once_one_gets_it(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        claimants = [ensure(conn, clock, tenant_id, f"c-{n}")[0] for n in range(4)]

    def claim(customer: Customer) -> bool:
        try:
            with database.transaction() as conn:
                return ensure_subject(conn, clock, customer, "chat", EVER)
        except ConflictError:
            return False

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(claim, claimants)) == [False, False, False, True]


@pytest.mark.parametrize(
    ("subject", "valid_to", "field"),
    [("", None, "subject"), ("ü" * 129, None, "subject"), ("chat", START, "to")],
)
def test_a_link_that_no_event_can_use_is_refused(
    database: Database,
    clock: ManualClock,
    tenant_id: TenantId,
    subject: str,
    valid_to: datetime | None,
    field: str,
) -> None:
    with pytest.raises(ValidationError, match=f"^{field}: "), database.transaction() as conn:
        ensure_subject(conn, clock, ensure(conn, clock, tenant_id)[0], subject, START, valid_to)


RANGES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 20), st.integers(1, 20)), max_size=12
)


@given(ranges=RANGES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_links_are_accepted_exactly_when_they_overlap_no_other(
    database: Database,
    clock: ManualClock,
    tenant_id: TenantId,
    ranges: list[tuple[str, int, int]],
) -> None:
    owned: dict[str, set[int]] = {"a": set(), "b": set()}

    def check(conn: Connection) -> None:
        customers = [ensure(conn, clock, tenant_id, f"c-{n}")[0] for n in range(len(ranges))]
        for customer, (subject, first, days) in zip(customers, ranges, strict=True):
            wanted = set(range(first, first + days))
            since, until = START + first * DAY, START + (first + days) * DAY
            if owned[subject] & wanted:
                with pytest.raises(ConflictError):
                    ensure_subject(conn, clock, customer, subject, since, until)
            else:
                assert ensure_subject(conn, clock, customer, subject, since, until)
                owned[subject] |= wanted

    with database.transaction() as conn, conn.transaction(force_rollback=True):
        check(conn)
