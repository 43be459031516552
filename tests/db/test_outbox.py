"""What changed is written with the change, and read in the order of the commits."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.acting import Acting
from core.clock import ManualClock, monotonic_seconds
from core.errors import ConflictError, ValidationError
from core.ids import TenantId
from db import outbox
from db.outbox import (
    KEEP_MAX,
    BillingEvent,
    Change,
    CursorExpiredError,
    append,
    changes_after,
    check_keep,
    prune,
)
from db.postgres import Connection, Database, Role
from identity.tenants import ensure_tenant
from tests.plugins.database import do

START = datetime(2026, 1, 1, tzinfo=UTC)
CLOCK = ManualClock(START)
MANY = 10_000


def happened(number: int) -> Change:
    return Change("thing.happened", f"thing_{number}", {"number": number})


@pytest.fixture
def tenant_id(database: Database) -> TenantId:
    return do(database, ensure_tenant, CLOCK, "acme", "Acme")[0].id


@pytest.fixture
def api(database_url: str, database: Database) -> Iterator[Database]:
    """As the API has it: no owner, and one tenant at a time."""
    with Database(database_url, Role.API, connections_max=16) as opened:
        yield opened


def read(api: Database, tenant_id: TenantId, after: int = 0, **words: Any) -> list[BillingEvent]:
    with api.transaction(Acting(tenant_id)) as conn:
        return changes_after(conn, tenant_id, after, words.pop("limit", MANY), **words).events


def numbers(events: list[BillingEvent]) -> list[int]:
    return [event.payload["number"] for event in events if event.subject == "thing.happened"]


@pytest.mark.req("OUT-01", "OUT-04", "OUT-05", "OUT-18", "SEC-02", "ING-14")
def test_a_change_and_its_event_commit_together_or_not_at_all(
    api: Database, tenant_id: TenantId
) -> None:
    insert = "INSERT INTO identity.idempotency_keys VALUES (%s, %s, repeat('0', 64), '{}', now())"
    acting = Acting(tenant_id, "key_1", correlation_id="request 7", causation_id="evt_1")
    for number in range(3):
        with suppress(ZeroDivisionError), api.transaction(acting) as conn:
            conn.execute(insert, (tenant_id, str(number)))
            append(conn, CLOCK, tenant_id, happened(number))
            with suppress(psycopg.Error), conn.transaction():
                append(conn, CLOCK, tenant_id, happened(-number))
                conn.execute("SELECT 1 / 0")
            if number == 1:
                raise ZeroDivisionError
    with api.transaction(acting) as conn:
        rows = conn.execute("SELECT key FROM identity.idempotency_keys ORDER BY key").fetchall()
    assert [row["key"] for row in rows] == ["0", "2"]
    created, first, second = read(api, tenant_id)
    assert (created.subject, created.actor, created.position) == ("tenant.created", "system", 1)
    assert (numbers([first, second]), first.position, second.position) == ([0, 2], 2, 3)
    assert first.as_resource() == {
        "id": f"evt_{first.id.hex}",
        "position": 2,
        "subject": "thing.happened",
        "version": 1,
        "resource_id": "thing_0",
        "payload": {"number": 0},
        "actor": "key_1",
        "correlation_id": "request 7",
        "causation_id": "evt_1",
        "created_at": "2026-01-01T00:00:00+00:00",
    }


@pytest.mark.req("OUT-04")
def test_an_event_without_a_tenant_or_of_another_one_is_refused(
    api: Database, database: Database, tenant_id: TenantId
) -> None:
    other = do(database, ensure_tenant, CLOCK, "other", "Other")[0].id
    for acting, owner in ((None, tenant_id), (Acting(tenant_id), other)):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            api.transaction(acting) as conn,
        ):
            append(conn, CLOCK, owner, happened(1))
    statement = (
        "INSERT INTO outbox.billing_events (id, tenant_id, subject, version, resource_id, payload,"
        " actor, correlation_id, causation_id, created_at, slot)"
        " VALUES (gen_random_uuid(), NULL, 'a.b', 1, 'r', '{}', 'x', '', '', now(), 0)"
    )
    with pytest.raises(psycopg.errors.NotNullViolation), database.transaction() as conn:
        conn.execute(statement.encode())
    assert [event.subject for event in read(api, other)] == ["tenant.created"]


def test_events_cannot_be_changed_or_deleted(
    api: Database, database: Database, tenant_id: TenantId
) -> None:
    do(database, append, CLOCK, tenant_id, happened(1))
    for statement in ("UPDATE {} SET position = position + 1", "DELETE FROM {}"):
        text = statement.format("outbox.billing_events").encode()
        with (
            pytest.raises(psycopg.errors.IntegrityConstraintViolation),
            database.transaction() as c,
        ):
            c.execute(text)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        api.transaction(Acting(tenant_id)) as conn,
    ):
        conn.execute("DELETE FROM outbox.billing_events")
    assert numbers(read(api, tenant_id)) == [1]


def test_a_reader_that_polls_while_many_write_misses_nothing_and_sees_the_order_of_commits(
    api: Database, tenant_id: TenantId, seed: int
) -> None:
    """Some take long, some roll back; a writer that waited for another's lock comes after it."""
    rng = random.Random(seed)
    seeds = [rng.random() for _ in range(160)]
    stop = threading.Event()
    seen: list[BillingEvent] = []

    def poll() -> None:
        last = False
        while not last:
            last = stop.is_set()
            after = seen[-1].position if seen else 0
            seen.extend(read(api, tenant_id, after, limit=rng.choice([1, 3, 100])))
        while page := read(api, tenant_id, seen[-1].position):
            seen.extend(page)

    def write(number: int) -> None:
        mine = random.Random(seeds[number])
        with suppress(ZeroDivisionError), api.transaction(Acting(tenant_id)) as conn:
            append(conn, CLOCK, tenant_id, happened(number))
            conn.execute("SELECT pg_sleep(%s)", (mine.random() / 50,))
            if number % 4 == 0:
                # One after the other, as changes of one subscription are.
                conn.execute("SELECT pg_advisory_xact_lock(7)")
                append(conn, CLOCK, tenant_id, Change("counter.moved", "counter", moved(conn)))
            if mine.random() < 0.2:
                raise ZeroDivisionError
            done.append(number)

    done: list[int] = []
    reader = threading.Thread(target=poll)
    reader.start()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(write, range(len(seeds))))
    stop.set()
    reader.join()
    assert [event.position for event in seen] == list(range(1, len(seen) + 1))
    assert sorted(numbers(seen)) == sorted(done), seed
    assert {event.id for event in seen} == {event.id for event in read(api, tenant_id)}
    counted = [e.payload["before"] for e in seen if e.subject == "counter.moved"]
    assert counted == list(range(len(counted))), seed


def moved(conn: psycopg.Connection[dict[str, Any]]) -> dict[str, int]:
    """How many moves are committed: known to whoever holds the lock."""
    row = conn.execute(
        "SELECT count(*) AS n FROM outbox.billing_events WHERE subject = 'counter.moved'"
    ).fetchone()
    assert row is not None
    return {"before": row["n"]}


def test_a_thousand_events_of_one_transaction_keep_their_order(
    api: Database, tenant_id: TenantId
) -> None:
    with api.transaction(Acting(tenant_id)) as conn:
        for first in range(0, 1000, 250):
            append(conn, CLOCK, tenant_id, *map(happened, range(first, first + 250)))
        append(conn, CLOCK, tenant_id)
    assert numbers(read(api, tenant_id)) == list(range(1000))
    assert [e.position for e in read(api, tenant_id, 5, limit=2)] == [6, 7]
    assert read(api, tenant_id, subjects=["nothing.happened"]) == []
    assert len(read(api, tenant_id, subjects=["thing.happened", "tenant.created"])) == 1001


@pytest.fixture
def operator(database_url: str) -> Iterator[Database]:
    with Database(database_url, Role.OPERATOR) as opened:
        yield opened


def write_weekly(api: Database, tenant_id: TenantId, weeks: int) -> ManualClock:
    clock = ManualClock(START)
    for number in range(weeks):
        with api.transaction(Acting(tenant_id)) as conn:
            append(conn, clock, tenant_id, happened(number))
        clock.advance(timedelta(days=7))
    return clock


def check_no_gap(api: Database, tenant_id: TenantId, last: int) -> list[BillingEvent]:
    """Whoever stood anywhere reads everything after it, or is told that it is gone."""
    left = read(api, tenant_id)
    first = left[0].position if left else last + 1
    assert [event.position for event in left] == list(range(first, last + 1))
    for after in range(1, last + 1):
        if after < first - 1:
            with pytest.raises(CursorExpiredError, match=rf"up to {first - 1} were pruned"):
                read(api, tenant_id, after)
        else:
            assert read(api, tenant_id, after) == left[after + 1 - first :]
    return left


def test_old_stretches_are_emptied_and_a_cursor_from_before_is_refused(
    api: Database, operator: Database, tenant_id: TenantId
) -> None:
    clock = write_weekly(api, tenant_id, 60)
    keep = timedelta(days=90)
    emptied = prune(operator, clock.now() - keep)
    assert prune(operator, clock.now() - keep) == []
    assert 10 <= len(emptied) <= 12
    left = check_no_gap(api, tenant_id, 61)
    assert keep < max(clock.now() - event.created_at for event in left) < keep + timedelta(days=28)
    prune(operator, clock.now() + keep)
    assert check_no_gap(api, tenant_id, 61) == []
    with api.transaction(Acting(tenant_id)) as conn:
        append(conn, clock, tenant_id, happened(99))
    assert [event.position for event in read(api, tenant_id)] == [62]


def test_a_prune_that_comes_after_all_stretches_were_used_leaves_no_hole(
    api: Database, operator: Database, tenant_id: TenantId
) -> None:
    """64 weeks fill the stretches; the 70th shares one with the 6th, which nobody emptied."""
    clock = write_weekly(api, tenant_id, 70)
    assert prune(operator, clock.now() - timedelta(days=90))
    left = check_no_gap(api, tenant_id, 71)
    assert len(left) >= 12
    # Whoever begins now, a little at a time, is never sent to what is gone.
    seen: list[BillingEvent] = []
    reached = 0
    while reached < 71:
        with api.transaction(Acting(tenant_id)) as conn:
            page = changes_after(conn, tenant_id, reached, 3)
        seen, reached = seen + page.events, page.reached
    assert seen == left


def test_events_whose_clocks_differed_across_a_stretch_leave_no_hole(
    api: Database, operator: Database, tenant_id: TenantId
) -> None:
    edge = datetime.fromtimestamp(740 * 2_419_200, UTC)
    second = timedelta(seconds=1)
    for number, at in enumerate([edge + second, edge - second, edge + 2 * second]):
        with api.transaction(Acting(tenant_id)) as conn:
            append(conn, ManualClock(at), tenant_id, happened(number))
    # Of the two stretches the older one goes; it holds the position in the middle.
    assert (740 - 1) % 16 in prune(operator, edge)
    check_no_gap(api, tenant_id, 4)


def test_an_event_that_commits_while_its_stretch_is_looked_at_is_kept(
    api: Database, operator: Database, tenant_id: TenantId
) -> None:
    later = ManualClock(START + timedelta(days=16 * 28))  # the same stretch, a round later
    with api.transaction(Acting(tenant_id)) as conn:
        append(conn, CLOCK, tenant_id, happened(1))
    with api.transaction(Acting(tenant_id)) as conn:
        append(conn, later, tenant_id, happened(2))
        assert prune(operator, START + timedelta(days=100)) == []  # left for the next time
    assert prune(operator, START + timedelta(days=100)) == []
    assert numbers(read(api, tenant_id)) == [1, 2]


def test_what_is_pruned_while_it_is_read_is_not_taken_for_read(
    api: Database, operator: Database, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = write_weekly(api, tenant_id, 30)
    asked = outbox._bounds
    calls: list[int] = []

    def bounds(conn: Connection, tenant: TenantId) -> tuple[int, int]:
        found = asked(conn, tenant)
        calls.append(len(calls))
        if len(calls) == 1:
            assert prune(operator, clock.now() - timedelta(days=90))
        return found

    monkeypatch.setattr(outbox, "_bounds", bounds)
    with pytest.raises(CursorExpiredError):
        read(api, tenant_id, 2)
    assert len(calls) == 2


def test_who_asks_for_something_rare_goes_on_from_where_the_log_ends(
    api: Database, operator: Database, tenant_id: TenantId
) -> None:
    write_weekly(api, tenant_id, 30)
    with api.transaction(Acting(tenant_id)) as conn:
        rare = changes_after(conn, tenant_id, 1, 5, ["seldom.seen"])
        full = changes_after(conn, tenant_id, 1, 5, ["thing.happened"])
    assert (rare.events, rare.reached) == ([], 31)
    assert (len(full.events), full.reached) == (5, 6)
    prune(operator, START + timedelta(days=9999))
    assert read(api, tenant_id, rare.reached) == []


def test_what_is_no_subject_is_refused(api: Database, tenant_id: TenantId) -> None:
    for subject in ("\x00", "", "meter", "Meter.created", "a." + "b" * 65, "a.b; --"):
        with pytest.raises(ValidationError, match=r"^subject: "):
            read(api, tenant_id, subjects=[subject])


def test_many_events_of_one_commit_hold_no_lock_for_long(
    api: Database, tenant_id: TenantId
) -> None:
    """The tenant's row is locked while the commit numbers; once for all, not once for each."""
    with api.transaction(Acting(tenant_id)) as conn:
        append(conn, CLOCK, tenant_id, *map(happened, range(20_000)))
        began = monotonic_seconds()
        conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
        took_seconds = monotonic_seconds() - began
        append(conn, CLOCK, tenant_id, happened(20_000))
        conn.execute("SET CONSTRAINTS ALL DEFERRED")
    found = read(api, tenant_id, limit=30_000)
    assert numbers(found) == list(range(20_001))
    assert took_seconds < 20


def test_how_long_events_are_kept_has_bounds() -> None:
    assert check_keep(KEEP_MAX) == KEEP_MAX
    for days in (-1, 0, KEEP_MAX.days + 1):
        with pytest.raises(ValidationError, match=r"^keep: "):
            check_keep(timedelta(days=days))


def test_who_only_reads_cannot_append(api: Database, tenant_id: TenantId) -> None:
    with (
        pytest.raises((psycopg.errors.ReadOnlySqlTransaction, ConflictError)),
        api.transaction(Acting(tenant_id), snapshot=True) as conn,
    ):
        append(conn, CLOCK, tenant_id, happened(1))
