from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.ids import TenantId
from core.period import Period
from corrections.event_file import check_file, events_of_file
from corrections.operations import (
    Plan,
    advance,
    begin_operation,
    begin_revert,
    list_operations,
)
from corrections.spans import spans_of_customer, spans_of_subjects
from db.postgres import Connection, Database
from identity.tenants import ensure_tenant
from subscriptions.customers.facts import NewCustomer
from subscriptions.customers.register import ensure_customer
from subscriptions.customers.subjects import link_subject
from tests.plugins.database import database, database_url
from usage.cut import Cut
from usage.event_history import Span

__all__ = ["database", "database_url"]

MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
CLOCK = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
CUT = Cut({"1/0": 7})


@pytest.fixture
def tenant_id(database: Database) -> TenantId:
    with database.transaction() as conn:
        return ensure_tenant(conn, CLOCK, "acme", "Acme")[0].id


def _plan(name: str, *subjects: str, period: Period = MARCH, sha: str = "0" * 64) -> Plan:
    return Plan(name, spans_of_subjects(subjects, period), sha, 3)


def _begin(conn: Connection, tenant_id: TenantId, plan: Plan, *, applied: bool = True) -> None:
    CLOCK.advance(timedelta(seconds=1))
    operation = begin_operation(conn, CLOCK, tenant_id, plan, CUT)
    if applied:
        advance(conn, CLOCK, operation, "applied", 5)


def test_an_operation_begins_once_and_keeps_its_cut(
    database: Database, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        first = begin_operation(conn, CLOCK, tenant_id, _plan("a", "s"), CUT)
        again = begin_operation(conn, CLOCK, tenant_id, _plan("a", "s"), Cut({"1/0": 99}))
        assert again == first
        assert (first.state, first.cut, first.voided_events) == ("applying", CUT, None)
        for other in (_plan("a", "t"), _plan("a", "s", sha="1" * 64)):
            with pytest.raises(ConflictError, match="take a new name"):
                begin_operation(conn, CLOCK, tenant_id, other, CUT)
        done = advance(conn, CLOCK, first, "applied", 5)
        assert (done.state, done.voided_events, done.applied_at) == ("applied", 5, CLOCK.now())
        assert [each.name for each in list_operations(conn, tenant_id)] == ["a"]
        assert done.as_resource()["state"] == "applied"
        for name in ("", "x" * 129):
            with pytest.raises(ValidationError, match="name"):
                begin_operation(conn, CLOCK, tenant_id, _plan(name, "s"), CUT)


def test_operations_on_the_same_events_go_one_after_the_other(
    database: Database, tenant_id: TenantId
) -> None:
    april = Period(MARCH.end, MARCH.end + timedelta(days=30))
    with database.transaction() as conn:
        _begin(conn, tenant_id, _plan("open", "s", "t"), applied=False)
        with pytest.raises(ConflictError, match="'open'"):
            _begin(conn, tenant_id, _plan("b", "t"))
        _begin(conn, tenant_id, _plan("c", "u"))
        _begin(conn, tenant_id, _plan("d", "s", period=april))
        with pytest.raises(ConflictError, match="not finished"):
            begin_revert(conn, CLOCK, tenant_id, "open")


def test_a_correction_is_reverted_after_those_that_build_on_it(
    database: Database, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        for name, subjects in (("one", ("s", "t")), ("two", ("t",)), ("other", ("x",))):
            _begin(conn, tenant_id, _plan(name, *subjects))
        with pytest.raises(ConflictError, match="two corrected"):
            begin_revert(conn, CLOCK, tenant_id, "one")
        second = begin_revert(conn, CLOCK, tenant_id, "two")
        assert begin_revert(conn, CLOCK, tenant_id, "two") == second
        advance(conn, CLOCK, second, "reverted")
        assert begin_revert(conn, CLOCK, tenant_id, "one").state == "reverting"
        with pytest.raises(ConflictError, match="was reverted"):
            begin_operation(conn, CLOCK, tenant_id, _plan("two", "t"), CUT)
        with pytest.raises(NotFoundError):
            begin_revert(conn, CLOCK, tenant_id, "none")


def test_a_customer_stands_for_its_subjects_while_they_were_its_own(
    database: Database, tenant_id: TenantId
) -> None:

    moved = datetime(2026, 3, 10, tzinfo=UTC)
    with database.transaction() as conn:
        new = NewCustomer(slug="contoso", currency="EUR")
        customer, _ = ensure_customer(conn, CLOCK, tenant_id, new)
        past = datetime(2020, 1, 1, tzinfo=UTC)
        for subject, start, end in (
            ("a", past, None),
            ("b", past, moved),
            ("c", moved, None),
            ("d", past, MARCH.start),
        ):
            link_subject(conn, CLOCK, customer, subject, start, end)
        assert spans_of_customer(conn, tenant_id, "contoso", MARCH) == (
            Span(("b",), Period(MARCH.start, moved)),
            Span(("a",), MARCH),
            Span(("c",), Period(moved, MARCH.end)),
        )
        early = Period(datetime(2010, 1, 1, tzinfo=UTC), datetime(2011, 1, 1, tzinfo=UTC))
        with pytest.raises(NotFoundError, match="no subjects"):
            spans_of_customer(conn, tenant_id, "contoso", early)


_EVENT: dict[str, Any] = {
    "specversion": "1.0", "id": "1", "source": "/a", "type": "t", "subject": "s",
    "time": "2026-03-05T00:00:00Z", "data": {"n": 1.10},
}  # fmt: skip


def _lines(folder: Path, *events: dict[str, Any] | str) -> Path:
    import json

    path = folder / "fix.jsonl"
    texts = [each if isinstance(each, str) else json.dumps(each) for each in events]
    path.write_text("\n".join(texts))
    return path


def test_a_file_is_checked_to_its_end_before_anything_is_done(tmp_path: Path) -> None:
    spans = spans_of_subjects(["s", "t"], MARCH)
    path = _lines(tmp_path, _EVENT, "", _EVENT | {"id": "2", "subject": "t"})
    digest, count = check_file(path, spans, CLOCK.now())
    assert (count, len(digest)) == (2, 64)
    assert [(number, event.id) for number, event in events_of_file(path)] == [(1, "1"), (3, "2")]
    for wrong, message in (
        ({"subject": "u"}, "not among what is corrected"),
        ({"time": "2026-04-01T00:00:00Z"}, "not among what is corrected"),
        ({"time": None}, "time: missing"),
        ({"type": "tollbook.void", "data": {"source": "a", "id": "b"}}, "holds events, not voids"),
        ({"data": []}, "expected a JSON object"),
        ({"id": ""}, "id: required"),
    ):
        path = _lines(tmp_path, _EVENT, _EVENT | wrong)
        with pytest.raises(ValidationError, match=rf"fix\.jsonl, line 2: .*{message}"):
            check_file(path, spans, CLOCK.now())
    for text in ("{", "[1]", "x" * 300_000):
        with pytest.raises(ValidationError, match=r"fix\.jsonl, line 1"):
            check_file(_lines(tmp_path, text), spans, CLOCK.now())
    with pytest.raises(ValidationError, match="cannot be read"):
        check_file(tmp_path / "none", spans, CLOCK.now())
