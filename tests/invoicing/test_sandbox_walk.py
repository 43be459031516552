"""A year of a sandbox, walked, killed, told afterwards: each invoice worked out by hand."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import psycopg
import pytest

from core.acting import Acting
from core.clock import SystemClock, monotonic_seconds
from core.errors import BusinessLogicError, ConflictError, ValidationError
from core.ids import TenantId
from core.period import Period
from db.postgres import Database
from identity.sandboxes import (
    NotASandboxError,
    clock_of,
    create_sandbox,
    find_sandbox,
    hold_walk,
)
from identity.tenants import ensure_tenant, find_tenant
from invoicing.billing_run import BillingRunner
from invoicing.sandbox_walk import SandboxWalker, Walk, parse_step
from invoicing.tenants import billing_tenants
from subscriptions.setup import apply_catalog
from tests.invoicing.sandbox_world import (
    END,
    KILLED,
    LEAVES,
    START,
    EveryHour,
    catalog,
    found_sandbox,
    invoices_of,
    tell,
    told_of,
)
from tests.plugins.database import database, database_url

__all__ = ["database", "database_url"]

ADA = [
    # midnight in Berlin of the last day of the month, and hours from one to the next
    ("2024-01-30T23:00", 29 * 24),  # to 29 February: a leap year
    ("2024-02-28T23:00", 31 * 24),
    ("2024-03-30T23:00", 30 * 24 - 1),  # on 31 March an hour is left out
    ("2024-04-29T22:00", 31 * 24),
    ("2024-05-30T22:00", 30 * 24),
    ("2024-06-29T22:00", 31 * 24),
    ("2024-07-30T22:00", 31 * 24),
    ("2024-08-30T22:00", 30 * 24),
    ("2024-09-29T22:00", 31 * 24 + 1),  # on 27 October there is one more
    ("2024-10-30T23:00", 30 * 24),
    ("2024-11-29T23:00", 31 * 24),
    ("2024-12-30T23:00", 31 * 24),
    ("2025-01-30T23:00", 0),
]
EVE = [
    ("2024-01-01", 31 * 24),
    ("2024-02-01", 29 * 24),
    ("2024-03-01", 31 * 24),
    ("2024-04-01", 30 * 24),
    ("2024-05-01", 31 * 24),
    ("2024-06-01", 14 * 24 + 12),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def expected() -> dict[tuple[str, datetime], tuple[datetime, int]]:
    """Buyer and start of each period -> its end, when it is issued, and the cents."""
    found = {
        ("Ada", utc(start)): (utc(end), 30_00 + hours) for (start, hours), (end, _) in pairwise(ADA)
    }
    found["Bob", START] = (utc("2024-01-15"), 14 * 24)  # a trial waives the fee
    ends = [utc(start) for start, _ in EVE[1:]] + [LEAVES]
    for (start, hours), end in zip(EVE, ends, strict=True):
        fee = 30_00 if end != LEAVES else 14_50  # 14.5 of 30 days
        found["Eve", utc(start)] = (end, fee + hours)
    return found


def walk(db: Database, tenant_id: TenantId, to: datetime = END, step: str | None = None) -> Walk:
    walker = SandboxWalker(db, db, EveryHour, SystemClock())
    return walker.walk(Acting(tenant_id), to, None if step is None else parse_step(step))


def test_a_year_is_walked_and_each_invoice_comes_at_its_instant(
    database: Database, database_url: str
) -> None:
    tenant_id = found_sandbox(database_url)
    began = monotonic_seconds()
    found = walk(database, tenant_id)
    assert monotonic_seconds() - began < 60
    assert (found.reached, found.parked) == (True, {})

    invoices = invoices_of(database, tenant_id)
    assert {
        (each.buyer["name"], each.period.start): (each.period.end, each.total_minor)
        for each in invoices
    } == expected()
    assert all(each.issued_at == each.period.end for each in invoices)
    numbers = [f"SANDBOX-INV-{number:06}" for number in range(1, len(invoices) + 1)]
    assert [each.number for each in invoices] == numbers
    assert all(each.sandbox for each in invoices)
    assert [each.issued_at for each in invoices] == sorted(each.issued_at for each in invoices)

    told = [(each.at, each.what) for each in found.happened]
    assert told == sorted(told, key=lambda each: each[0])
    states = [
        (each.at, each.facts["old_status"], each.facts["new_status"])
        for each in found.happened
        if each.what == "subscription"
    ]
    assert states == [
        (utc("2024-01-15"), "TRIALING", "EXPIRED"),
        (utc("2024-01-30T23:00"), "FREE", "ACTIVE"),
        (LEAVES, "ACTIVE", "CANCELED"),
    ]
    assert [each.facts["number"] for each in found.happened if each.what == "invoice"] == numbers

    again = walk(database, tenant_id)
    assert (again.reached, again.happened) == (True, [])
    assert invoices_of(database, tenant_id) == invoices


def test_a_walk_that_is_killed_ends_like_one_that_is_not(
    database: Database, database_url: str, seed: int
) -> None:
    whole = found_sandbox(database_url, "whole")
    walk(database, whole)
    expected_end = [(each.number, told_of(each)) for each in invoices_of(database, whole)]
    rng, killed = random.Random(seed), 0
    broken = found_sandbox(database_url, "broken")
    for crash_at in [1, 2, 3, *(rng.randint(1, 20) for _ in range(3))]:
        command = ["-m", "tests.invoicing.sandbox_world", database_url, str(broken)]
        ended = subprocess.run(
            [sys.executable, *command, END.isoformat(), str(crash_at)],
            check=False,
            timeout=120,
            capture_output=True,
        )
        assert ended.returncode == KILLED, (crash_at, ended.stderr)
        killed += 1
    assert killed == 6
    assert walk(database, broken).reached
    found = [(each.number, told_of(each)) for each in invoices_of(database, broken)]
    assert found == expected_end


def test_the_same_told_afterwards_of_a_tenant_for_production_bills_the_same(
    database: Database, database_url: str
) -> None:
    sandbox = found_sandbox(database_url)
    walk(database, sandbox)
    walked = invoices_of(database, sandbox)

    applied = apply_catalog(database, SystemClock(), catalog("real"))
    tell(database, applied.tenant_id, utc("2024-03-01"))
    with database.transaction() as conn:
        [tenant] = billing_tenants(conn, "real")
    runner = BillingRunner(database, EveryHour(), SystemClock())
    for at in sorted({each.issued_at for each in walked}):
        runner.close(tenant, at)
    real = invoices_of(database, applied.tenant_id)
    assert [told_of(each) for each in real] == [told_of(each) for each in walked]
    assert [f"SANDBOX-{each.number}" for each in real] == [each.number for each in walked]
    assert not any(each.sandbox for each in real)


def test_by_days_the_same_is_billed_at_the_midnight_that_follows(
    database: Database, database_url: str
) -> None:
    tenant_id = found_sandbox(database_url)
    walk(database, tenant_id, step="P1D")
    for each in invoices_of(database, tenant_id):
        ended = each.period.end
        day = timedelta(days=1)
        assert each.issued_at == START + -((START - ended) // day) * day
        assert expected()[each.buyer["name"], each.period.start] == (ended, each.total_minor)


def test_a_clock_goes_forward_only_and_nothing_else_moves_it(
    database: Database, database_url: str
) -> None:
    tenant_id = found_sandbox(database_url)
    walk(database, tenant_id, utc("2024-02-01"))
    with pytest.raises(BusinessLogicError, match="stands at 2024-02-01T00:00:00"):
        walk(database, tenant_id, utc("2024-01-31"))
    for broken in (
        "UPDATE identity.sandboxes SET clock_at = clock_at - interval '1 s'",
        "DELETE FROM identity.sandboxes",
        "UPDATE identity.tenants SET kind = 'production'",
    ):
        with (
            pytest.raises(psycopg.errors.IntegrityConstraintViolation),
            database.transaction() as conn,
        ):
            conn.execute(broken.encode())
    with database.transaction(Acting(tenant_id)) as conn:
        assert find_sandbox(conn, tenant_id).clock_at == utc("2024-02-01")
    with pytest.raises(ValidationError, match="1970 to 2199"):
        walk(database, tenant_id, utc("2200-01-01"))


def test_a_tenant_for_production_stays_one_and_refuses_to_walk(database: Database) -> None:
    with database.transaction() as conn:
        tenant, _ = ensure_tenant(conn, SystemClock(), "real", "Real")
        clock = SystemClock()
        assert clock_of(conn, clock, tenant.id) is clock
    with pytest.raises(NotASandboxError, match="tenant real: is for production"):
        walk(database, tenant.id)
    with (
        pytest.raises(ConflictError, match="'real' exists already, for production"),
        database.transaction() as conn,
    ):
        create_sandbox(conn, SystemClock(), "real", "Other", START)
    with database.transaction() as conn:
        assert find_tenant(conn, "real") == tenant


def test_of_two_who_walk_one_is_refused_and_writers_are_waited_for(
    database: Database, database_url: str
) -> None:
    tenant_id = found_sandbox(database_url)
    acting = Acting(tenant_id)
    with database.transaction(acting) as held:
        hold_walk(held, find_sandbox(held, tenant_id))
        with pytest.raises(ConflictError, match="somebody else moves its clock"):
            walk(database, tenant_id)
    with database.transaction(acting) as writer:
        assert clock_of(writer, SystemClock(), tenant_id).now() == START
        with (
            psycopg.connect(database_url, options="-c lock_timeout=100ms") as mover,
            pytest.raises(psycopg.errors.LockNotAvailable),
        ):
            mover.execute("SELECT identity.move_clock(%s, %s)", (tenant_id, END))
    with database.transaction(acting, snapshot=True):  # who only reads is not waited for
        assert walk(database, tenant_id, utc("2024-01-02")).reached


def test_time_for_a_walk_may_be_over_before_it_is(database: Database, database_url: str) -> None:
    tenant_id = found_sandbox(database_url)
    walker = SandboxWalker(database, database, EveryHour, SystemClock())
    parts = [walker.walk(Acting(tenant_id), END, seconds=0)]
    while not parts[-1].reached:
        parts.append(walker.walk(Acting(tenant_id), END, seconds=0))
        assert parts[-1].sandbox.clock_at >= parts[-2].sandbox.clock_at
    assert len(parts) > 12
    assert len(invoices_of(database, tenant_id)) == len(expected())


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("P1D", timedelta(days=1)),
        ("P2W", timedelta(days=14)),
        ("PT6H", timedelta(hours=6)),
        ("P1DT12H", timedelta(hours=36)),
    ],
)
def test_steps_are_weeks_days_and_hours(text: str, length: timedelta) -> None:
    assert parse_step(text) == length


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P0D", "P1M", "PT5M", "1D", "P-1D", "P1D ", "P9999D"]
)
def test_other_steps_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="such as P1D or PT6H"):
        parse_step(text)


def test_periods_of_the_oracle_have_no_gaps() -> None:
    for (start, hours), (end, _) in pairwise(ADA):
        assert Period(utc(start), utc(end)).end - utc(start) == timedelta(hours=hours)
