"""A subject has one customer at any instant, whatever is linked, moved and ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.ids import CustomerId, TenantId
from db.postgres import Connection, Database
from identity.tenants import ensure_tenant
from subscriptions.customers.customer import Customer
from subscriptions.customers.subjects import (
    customer_of,
    link_subject,
    subjects_of,
    unlink_subject,
)
from tests.subscriptions.customers.customer_world import DAY, EVER, START, ensure, events


def test_a_subject_in_use_is_refused_with_both_names_and_the_transaction_goes_on(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        contoso, _ = ensure(conn, clock, tenant_id)
        fabrikam, _ = ensure(conn, clock, tenant_id, "fabrikam")
        assert link_subject(conn, clock, contoso, "chat", EVER)[1]
        assert not link_subject(conn, clock, contoso, "chat", EVER)[1]
        with pytest.raises(ConflictError, match=r"'chat'.*'fabrikam'.*'contoso'"):
            link_subject(conn, clock, fabrikam, "chat", START)
        with pytest.raises(ConflictError, match="'contoso'"):
            link_subject(conn, clock, contoso, "chat", START)
        assert link_subject(conn, clock, fabrikam, "code", START)[1]


def test_a_subject_moves_at_an_instant_and_the_old_knowledge_stays(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        contoso, _ = ensure(conn, clock, tenant_id)
        fabrikam, _ = ensure(conn, clock, tenant_id, "fabrikam")
        link_subject(conn, clock, contoso, "chat", EVER)
        clock.advance(10 * DAY)
        move_at = START + 5 * DAY
        unlink_subject(conn, clock, contoso, "chat", move_at)
        link_subject(conn, clock, fabrikam, "chat", move_at)

        def owner(at: datetime, known_at: datetime | None = None) -> object:
            return customer_of(conn, tenant_id, "chat", at, known_at)

        just_before = move_at - timedelta(microseconds=1)
        assert (owner(just_before), owner(move_at)) == (contoso.id, fabrikam.id)
        assert owner(move_at, START + DAY) == contoso.id
        with pytest.raises(NotFoundError):
            unlink_subject(conn, clock, contoso, "code", move_at)


def test_tenants_may_have_subjects_of_the_same_name(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        other = ensure_tenant(conn, clock, "other", "Other")[0].id
        for tenant in (tenant_id, other):
            assert link_subject(conn, clock, ensure(conn, clock, tenant)[0], "chat", EVER)[1]


def test_of_customers_that_claim_a_subject_at_once_one_gets_it(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        claimants = [ensure(conn, clock, tenant_id, f"c-{n}")[0] for n in range(20)]

    def claim(customer: Customer) -> bool:
        try:
            with database.transaction() as conn:
                return link_subject(conn, clock, customer, "chat", EVER)[1]
        except ConflictError:
            return False

    with ThreadPoolExecutor(20) as threads:
        assert sorted(threads.map(claim, claimants)) == [False] * 19 + [True]


@pytest.mark.parametrize(
    ("subject", "valid_to", "field"),
    [
        ("", None, "subject"),
        ("ü" * 129, None, "subject"),
        ("a\x00", None, "subject"),
        ("chat", START, "to"),
        ("chat", datetime(9999, 12, 1, tzinfo=UTC), "to"),
    ],
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
        link_subject(conn, clock, ensure(conn, clock, tenant_id)[0], subject, START, valid_to)


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
                    link_subject(conn, clock, customer, subject, since, until)
            else:
                assert link_subject(conn, clock, customer, subject, since, until)[1]
                owned[subject] |= wanted

    with database.transaction() as conn, conn.transaction(force_rollback=True):
        check(conn)


def test_a_subject_moves_in_one_step_and_the_rest_stays_with_whom_it_was(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        contoso, _ = ensure(conn, clock, tenant_id)
        fabrikam, _ = ensure(conn, clock, tenant_id, "fabrikam")
        link_subject(conn, clock, contoso, "chat", EVER)
        before = events(conn)
        since, until = START + DAY, START + 2 * DAY
        link_subject(conn, clock, fabrikam, "chat", since, until, move=True)
        assert events(conn)[len(before) :] == [
            "customer.subject.unlinked", "customer.subject.linked", "customer.subject.linked",
        ]  # fmt: skip
        found = [(link.valid_from, link.valid_to) for link in subjects_of(conn, contoso)]
        assert found == [(EVER, since), (until, None)]
        with pytest.raises(ConflictError, match=r"'fabrikam'.*'contoso'"):
            link_subject(conn, clock, fabrikam, "chat", until)
        with pytest.raises(ConflictError, match="belongs to 'fabrikam' from"):
            link_subject(conn, clock, fabrikam, "chat", since, move=True)


def test_subjects_that_move_both_ways_at_once_wait_for_each_other(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        pair = [ensure(conn, clock, tenant_id, slug)[0] for slug in ("a", "b")]
        for customer, subject in zip(pair, ("of-a", "of-b"), strict=True):
            link_subject(conn, clock, customer, subject, EVER)

    def take(index: int) -> bool:
        with database.transaction() as conn:
            subject = ("of-b", "of-a")[index]
            return link_subject(conn, clock, pair[index], subject, START, move=True)[1]

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(take, (0, 1))) == [True, True]


HORIZON = 20
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["link", "move", "end"]),
        st.integers(0, 2),
        st.sampled_from(["a", "b"]),
        st.integers(0, HORIZON - 1),
        st.one_of(st.none(), st.integers(1, 6)),
        st.sampled_from([0, 1]),
    ),
    max_size=14,
)
Link = tuple[int, int, int]


def after(links: list[Link], what: str, who: int, first: int, last: int) -> list[Link] | None:
    """The links of a subject, as (who, first, last), after an operation; None: it is refused."""
    if what == "end":
        held = [link for link in links if link[0] == who and link[1] <= first < link[2]]
        if not held:
            return None
        [(_, start, _)] = held
        rest = [link for link in links if link not in held]
        return rest + ([(who, start, first)] if start < first else [])
    met = [link for link in links if link[1] < last and first < link[2]]
    if met == [(who, first, last)]:
        return links
    if met and (what == "link" or any(link[0] == who for link in met)):
        return None
    kept = [link for link in links if link not in met]
    for other, start, end in met:
        kept += [part for part in ((other, start, first), (other, last, end)) if part[1] < part[2]]
    return [*kept, (who, first, last)]


def owner(links: list[Link], day: int) -> int | None:
    held = [link[0] for link in links if link[1] <= day < link[2]]
    assert len(held) <= 1, "at most one customer at any instant"
    return held[0] if held else None


@given(operations=OPERATIONS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_links_moves_and_ends_agree_with_a_model_now_and_as_it_was_known(
    database: Database,
    clock: ManualClock,
    tenant_id: TenantId,
    operations: list[tuple[str, int, str, int, int | None, int]],
) -> None:
    with database.transaction() as conn, conn.transaction(force_rollback=True):
        customers = [ensure(conn, clock, tenant_id, f"c-{n}")[0] for n in range(3)]
        model: dict[str, list[Link]] = {"a": [], "b": []}
        known: dict[datetime, dict[str, list[Link]]] = {}
        for what, who, subject, first, days, seconds in operations:
            last = HORIZON if days is None else min(first + days, HORIZON)
            wanted = after(model[subject], what, who, first, last)
            done = attempt(conn, clock, customers[who], subject, what, first, last)
            assert done is (wanted is not None), (what, who, subject, first, last, model)
            model[subject] = model[subject] if wanted is None else wanted
            if seconds:  # what is known between two instants that differ
                known[clock.now() + timedelta(milliseconds=1)] = dict(model)
                clock.advance(timedelta(seconds=seconds))
        check(conn, tenant_id, customers, model, None, range(HORIZON + 5))
        for at, then in known.items():
            check(conn, tenant_id, customers, then, at, range(0, HORIZON, 4))


def attempt(
    conn: Connection,
    clock: ManualClock,
    customer: Customer,
    subject: str,
    what: str,
    first: int,
    last: int,
) -> bool:
    since = START + first * DAY
    until = None if last == HORIZON else START + last * DAY
    try:
        if what == "end":
            unlink_subject(conn, clock, customer, subject, since)
        else:
            link_subject(conn, clock, customer, subject, since, until, move=what == "move")
    except (ConflictError, NotFoundError):
        return False
    return True


def check(
    conn: Connection,
    tenant_id: TenantId,
    customers: list[Customer],
    model: dict[str, list[Link]],
    known_at: datetime | None,
    days: range,
) -> None:
    names = {customer.id: n for n, customer in enumerate(customers)}
    for subject, links in model.items():
        open_ended = [(who, a, HORIZON + 99 if b == HORIZON else b) for who, a, b in links]
        for day in days:
            found = customer_of(conn, tenant_id, subject, START + day * DAY, known_at)
            told = None if found is None else names[CustomerId(found)]
            assert told == owner(open_ended, day), (subject, day, known_at)


def test_many_subjects_in_one_transaction_take_few_locks(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        contoso, _ = ensure(conn, clock, tenant_id)
        for number in range(400):
            link_subject(conn, clock, contoso, f"s-{number}", EVER)
        row = conn.execute(
            "SELECT count(*) AS held FROM pg_locks"
            " WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
            (),
        ).fetchone()
    assert row is not None
    assert row["held"] <= 256
