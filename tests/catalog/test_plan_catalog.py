"""Plans: written as drafts, sold as versions, one at a time, each final."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from catalog.features import archive_feature, create_feature, find_feature
from catalog.meters import create_meter
from catalog.plan_catalog import (
    PlanLabels,
    activate_draft,
    archive_plan,
    change_plan,
    create_plan,
    write_draft,
)
from catalog.plan_terms import PlanTerms, RateCard
from catalog.plan_view import find_plan, find_version, page_of_plans
from catalog.plans import ensure_plan_version
from catalog.prices import price_terms
from core.clock import ManualClock
from core.errors import (
    ConflictError,
    NotFoundError,
    PreconditionError,
    TollbookError,
    ValidationError,
)
from core.ids import TenantId
from core.money import Currency
from db.outbox import changes_after
from db.postgres import Database
from identity.tenants import ensure_tenant

START = datetime(2026, 1, 1, tzinfo=UTC)
LABELS = PlanLabels("Standard", "For teams", public=True)


def content(amount: str = "99.00", **changes: Any) -> dict[str, Any]:
    price = {"model": "per_unit", "amount": "3.00", "per": 1_000_000}
    return {
        "currency": "USD",
        "rate_cards": [
            {"key": "fee", "name": "Fee", "price": {"model": "flat", "amount": amount}},
            {"key": "tokens", "name": "Tokens", "meter": "tokens", "price": price},
        ],
        "entitlements": [
            {"feature": "tokens", "limit": "1000000.5", "hard": True, "reset": "monthly"},
            {"feature": "sso"},
            {"feature": "region", "value": "eu"},
        ],
    } | changes


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def tenant_id(database: Database, clock: ManualClock) -> TenantId:
    with database.transaction() as conn:
        made = ensure_tenant(conn, clock, "acme", "Acme")[0].id
        create_meter(
            conn, clock, made, slug="tokens", name="T", event_type="t", aggregation="count"
        )
        for slug, kind in (("tokens", "metered"), ("sso", "boolean"), ("region", "static")):
            meter = slug if kind == "metered" else None
            create_feature(conn, clock, made, slug=slug, name=slug, kind=kind, meter=meter)
    return made


@pytest.mark.req("CAT-01", "CAT-09")
def test_a_plan_goes_from_draft_to_sold_to_archived(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        made = create_plan(conn, clock, tenant_id, "standard", LABELS, content())
        assert (made.sold, made.draft_revision, made.prices) == (None, 1, {})
        with pytest.raises(NotFoundError, match="has none with the number 1"):
            find_version(conn, tenant_id, "standard", 1)
        sold = activate_draft(conn, clock, tenant_id, "standard")
        assert (sold.sold, sold.draft, sold.draft_revision) == (1, None, 2)
        assert sold.prices == {"monthly": {"amount": "99", "currency": "USD"}}
        first = find_version(conn, tenant_id, "standard", 1)
        assert (first["status"], first["currency"]) == ("active", "USD")
        assert [card["key"] for card in first["rate_cards"]] == ["fee", "tokens"]
        assert first["rate_cards"][1]["price"]["amount"] == "3"
        assert first["entitlements"] == [
            {
                "feature": "region", "kind": "static", "limit": None, "hard": False, "reset": None,
                "value": "eu",
            },
            {
                "feature": "sso", "kind": "boolean", "limit": None, "hard": False, "reset": None,
                "value": None,
            },
            {
                "feature": "tokens", "kind": "metered", "limit": "1000000.5", "hard": True,
                "reset": "monthly", "value": None,
            },
        ]  # fmt: skip

        clock.advance(timedelta(days=1))
        write_draft(conn, clock, tenant_id, "standard", content("120.00"))
        assert find_plan(conn, tenant_id, "standard").sold == 1
        assert activate_draft(conn, clock, tenant_id, "standard").sold == 2
        assert find_version(conn, tenant_id, "standard", 1) == first | {
            "status": "archived",
            "archived_at": "2026-01-02T00:00:00+00:00",
        }
        write_draft(conn, clock, tenant_id, "standard", content("120"))
        assert activate_draft(conn, clock, tenant_id, "standard").sold == 2  # it says the same

        write_draft(conn, clock, tenant_id, "standard", content("130"))
        gone = archive_plan(conn, clock, tenant_id, "standard")
        assert (gone.sold, gone.draft) == (None, None)
        assert archive_plan(conn, clock, tenant_id, "standard") == gone
        for call in (write_draft, lambda *args: activate_draft(*args[:4])):
            with pytest.raises(ConflictError):
                call(conn, clock, tenant_id, "standard", content())
        assert find_plan(conn, tenant_id, "standard") == gone
    with database.transaction() as conn:
        events = [
            each
            for each in changes_after(conn, tenant_id, 0, 999).events
            if each.subject.startswith("plan")
        ]
    assert [each.subject for each in events] == [
        "plan.created", "plan.draft.written",
        "plan.updated", "plan_version.created", "plan.activated",
        "plan.draft.written",
        "plan.updated", "plan_version.archived", "plan_version.created", "plan.activated",
        "plan.draft.written", "plan.activated",
        "plan.draft.written", "plan_version.archived", "plan.archived",
    ]  # fmt: skip
    last = {each.resource_id: each.payload for each in events if each.subject == "plan.activated"}
    [mirrored] = last.values()
    assert (mirrored["active_version"], mirrored["draft"]) == (2, None)


def test_labels_change_at_any_time_and_make_no_version(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "standard", LABELS, content())
        activate_draft(conn, clock, tenant_id, "standard")
        changed = change_plan(
            conn, clock, tenant_id, "standard", PlanLabels(public=False, metadata={"a": "b"})
        )
        assert (changed.name, changed.public, changed.metadata) == ("Standard", False, {"a": "b"})
        assert (changed.sold, changed.prices["monthly"]["amount"]) == (1, "99")
        assert change_plan(conn, clock, tenant_id, "standard", PlanLabels(name="Standard")) == (
            changed
        )
        create_plan(conn, clock, tenant_id, "basic", PlanLabels())
        assert [plan.slug for plan in page_of_plans(conn, tenant_id)] == ["basic", "standard"]
        assert [plan.slug for plan in page_of_plans(conn, tenant_id, after="basic")] == ["standard"]
        assert page_of_plans(conn, tenant_id, public=True) == []
        with pytest.raises(ConflictError, match="exists already"):
            create_plan(conn, clock, tenant_id, "basic", PlanLabels())
        with pytest.raises(ConflictError, match="no draft that could be activated"):
            activate_draft(conn, clock, tenant_id, "basic")


def test_a_draft_that_was_changed_meanwhile_is_not_replaced_or_sold(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "standard", LABELS)
        assert write_draft(conn, clock, tenant_id, "standard", content(), 0).draft_revision == 1
        assert write_draft(conn, clock, tenant_id, "standard", content("1"), 1).draft_revision == 2
        for stale in (0, 1, 3):
            with pytest.raises(PreconditionError, match=r"^If-Match: .* revision 2 by now"):
                write_draft(conn, clock, tenant_id, "standard", content("2"), stale)
            with pytest.raises(PreconditionError):
                activate_draft(conn, clock, tenant_id, "standard", stale)
        assert activate_draft(conn, clock, tenant_id, "standard", 2).sold == 1
        assert write_draft(conn, clock, tenant_id, "standard", content("3")).draft_revision == 4
        for old in (1, 2, 3):  # another draft: revisions never come again
            with pytest.raises(PreconditionError):
                activate_draft(conn, clock, tenant_id, "standard", old)


def test_eight_who_activate_at_once_make_one_version_each_or_none(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "standard", LABELS)

    def sell(amount: int) -> int:
        with database.transaction() as conn:
            write_draft(conn, clock, tenant_id, "standard", content(str(amount)))
            return activate_draft(conn, clock, tenant_id, "standard").sold or 0

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(sell, range(8))) == list(range(1, 9))
    with database.transaction() as conn:
        states = [find_version(conn, tenant_id, "standard", n)["status"] for n in range(1, 9)]
    assert states == ["archived"] * 7 + ["active"]


def line(**changes: Any) -> dict[str, Any]:
    """A plan with this line alone."""
    flat = {"key": "a", "name": "A", "price": {"model": "flat", "amount": "1"}}
    return {"rate_cards": [flat | changes]}


def given(feature: str, **words: Any) -> dict[str, Any]:
    """A plan that gives this feature alone."""
    return {"entitlements": [{"feature": feature} | words]}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"currency": "XYZ"}, "currency"),
        ({"rate_cards": []}, "rate_cards"),
        ({"more": 1}, "more"),
        (line(price={"amount": "1"}), r"rate_cards\[0\].price.model"),
        (line(name="A\x00"), r"rate_cards\[0\].name"),
        (line(price={"model": "flat", "amount": 1.5}), r"rate_cards\[0\].price.amount"),
        (line(meter="x"), r"rate_cards\[0\].meter"),
        (line(key="A B"), r"rate_cards\[0\].key"),
        (line(cadence="often"), r"rate_cards\[0\].cadence"),
        (given("none"), r"entitlements\[0\].feature"),
        (given("sso", limit="1"), r"entitlements\[0\].limit"),
        (given("sso", value="x"), r"entitlements\[0\].value"),
        (given("region"), r"entitlements\[0\].value"),
        (given("region", value="\ud800"), r"entitlements\[0\].value"),
        (given("tokens", hard=True), r"entitlements\[0\].hard"),
        (given("tokens", limit="-1"), r"entitlements\[0\].limit"),
        (given("tokens", limit="1e15"), r"entitlements\[0\].limit"),
        (given("tokens", limit="0.0000000000001"), r"entitlements\[0\].limit"),
        (given("tokens", limit="NaN"), r"entitlements\[0\].limit"),
        (given("tokens", limit="1e999999999"), r"entitlements\[0\].limit"),
        (given("tokens", reset="often"), r"entitlements\[0\].reset"),
        ({"entitlements": [{"feature": "sso"}, {"feature": "sso"}]}, "entitlements"),
    ],
)
def test_a_draft_that_could_not_be_sold_is_refused_with_its_path(
    database: Database,
    clock: ManualClock,
    tenant_id: TenantId,
    changes: dict[str, Any],
    path: str,
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "standard", LABELS)
        with pytest.raises(TollbookError, match=rf"^{path}: "):
            write_draft(conn, clock, tenant_id, "standard", content(**changes))
        assert find_plan(conn, tenant_id, "standard").draft is None


def test_what_a_draft_names_may_be_gone_when_it_is_activated(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "standard", LABELS, content())
        archive_feature(conn, clock, tenant_id, "sso")
        with pytest.raises(TollbookError, match=r"^entitlements\[1\].feature: 'sso' is archived"):
            activate_draft(conn, clock, tenant_id, "standard")


def test_an_archived_plan_is_never_sold_again_by_no_way(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "standard", LABELS, content())
        activate_draft(conn, clock, tenant_id, "standard")
        archive_plan(conn, clock, tenant_id, "standard")
    for amount in ("99", "120"):
        price = price_terms("flat", "USD", {"amount": amount})
        terms = PlanTerms(Currency("USD"), (RateCard("fee", "Fee", price),))
        with (
            pytest.raises(ConflictError, match="'standard' is archived; create another one"),
            database.transaction() as conn,
        ):
            ensure_plan_version(conn, clock, tenant_id, slug="standard", name="S", terms=terms)
    with database.transaction() as conn:
        assert find_plan(conn, tenant_id, "standard").sold is None


def test_what_is_sold_already_is_no_new_version_though_its_feature_is_archived(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "standard", LABELS, content())
        activate_draft(conn, clock, tenant_id, "standard")
        write_draft(conn, clock, tenant_id, "standard", content("99"))
        archive_feature(conn, clock, tenant_id, "sso")
        assert activate_draft(conn, clock, tenant_id, "standard").sold == 1
        with pytest.raises(ValidationError, match=r"^entitlements\[1\].feature: 'sso' is archived"):
            write_draft(conn, clock, tenant_id, "standard", content("1"))


def test_who_applies_a_file_does_not_make_others_wait(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    """A set-up holds its tenant; others go on adding what belongs to that tenant."""
    with database.transaction() as applying:
        ensure_tenant(applying, clock, "acme", "Acme Inc.")
        with database.transaction() as other:
            other.execute("SET LOCAL lock_timeout = '2s'")
            create_feature(other, clock, tenant_id, slug="x", name="X", kind="boolean")
            other.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_feature_is_read_while_a_version_that_gives_it_is_made(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "standard", LABELS, content())
    with database.transaction() as activating:
        activate_draft(activating, clock, tenant_id, "standard")
        with database.transaction() as reading:
            reading.execute("SET LOCAL lock_timeout = '1s'")
            assert find_feature(reading, tenant_id, "sso").archived_at is None
        with database.transaction() as late:
            late.execute("SET LOCAL lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable), late.transaction():
                archive_feature(late, clock, tenant_id, "sso")  # after the version, or not at all
