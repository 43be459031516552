"""Customers are created, changed by who read the newest revision, and deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from uuid import UUID

import pytest

from core.clock import ManualClock
from core.errors import BusinessLogicError, ConflictError, PreconditionError, ValidationError
from core.ids import TenantId, format_id
from db.postgres import Connection, Database
from subscriptions.customers.customer import (
    find_customer,
    known_customer,
    page_of_customers,
    read_customer,
)
from subscriptions.customers.facts import CustomerFacts
from subscriptions.customers.payment_methods import add_payment_method, payment_methods_of
from subscriptions.customers.register import change_customer, delete_customer
from subscriptions.customers.subjects import customer_of, link_subject, page_of_subjects
from subscriptions.customers.tree import LEVELS_MAX
from subscriptions.errors import CustomerNotFoundError
from tests.subscriptions.customers.customer_world import DAY, EVER, START, create, ensure, events
from tests.subscriptions.world import NOW, apply, customer, document, subscription

USER = "00000000-0000-0000-0000-00000000000a"


@pytest.mark.req("ENT-05")
def test_a_slug_names_one_customer_of_a_tenant(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        made = create(conn, clock, tenant_id, "contoso", user_id=USER, metadata={"tier": "1"})
        assert (made.revision, made.payer, made.time_zone) == (1, "self", "UTC")
        assert made.user_id == UUID(USER)
        with pytest.raises(ConflictError, match=r"^slug: .*'contoso' exists already"):
            create(conn, clock, tenant_id, "contoso")
        for wrong in ("Contoso Ltd", "", "a" * 65, f"cus_{made.id.hex}"):
            with pytest.raises(ValidationError, match=r"^slug: "):
                create(conn, clock, tenant_id, wrong)
        for reference in ("contoso", format_id("cus", made.id)):
            assert find_customer(conn, tenant_id, reference) == made
        for unknown in ("nobody", "No Slug", "\x00", format_id("cus", UUID(int=7))):
            with pytest.raises(CustomerNotFoundError):
                read_customer(conn, tenant_id, unknown)


def test_what_is_left_out_stays_and_null_takes_away(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create(conn, clock, tenant_id, "group")
        info = {"email": "a@b.example"}
        made = create(
            conn, clock, tenant_id, "contoso", parent="group", user_id=USER, billing_info=info
        )

        def change(**facts: object) -> object:
            told = CustomerFacts.model_validate(facts)
            return change_customer(conn, clock, tenant_id, "contoso", told)

        assert change() == made
        assert change(name="Contoso") == made, "what is said already changes nothing"
        before = events(conn)
        renamed = change(name="Contoso AG")
        assert events(conn) == [*before, "customer.updated"]
        now = find_customer(conn, tenant_id, "contoso")
        assert renamed == now
        assert (now.revision, now.billing_info, now.user_id) == (2, info, UUID(USER))
        change(parent=None, user_id=None)
        now = find_customer(conn, tenant_id, "contoso")
        assert (now.revision, now.parent_id, now.user_id) == (3, None, None)
        with pytest.raises(ValidationError, match=r"^payer: 'parent' needs a parent"):
            change(payer="parent")
        with pytest.raises(ValidationError, match=r"^user_id: "):
            change(user_id="me")
        with pytest.raises(ValidationError, match=r"^name: "):
            change(name=" ")


def test_of_two_who_read_one_revision_one_changes_it(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create(conn, clock, tenant_id, "contoso")

    def change(name: str) -> bool:
        try:
            with database.transaction() as conn:
                change_customer(
                    conn, clock, tenant_id, "contoso", CustomerFacts(name=name), revision=1
                )
        except PreconditionError:
            return False
        return True

    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as conn:
            change_customer(conn, clock, tenant_id, "contoso", CustomerFacts(name="A"), revision=1)
            second = thread.submit(change, "B")
            assert still_waits(second)
        assert second.result() is False
    with database.transaction() as conn:
        assert find_customer(conn, tenant_id, "contoso").revision == 2
        with pytest.raises(PreconditionError, match="is at revision 2 by now, not 1"):
            delete_customer(conn, clock, tenant_id, "contoso", revision=1)


def still_waits(started: Future[bool]) -> bool:
    """Whether what another thread began is held up by this one's transaction."""
    return not wait([started], timeout=0.5).done


def test_a_currency_is_fixed_once_something_was_bought(database: Database) -> None:
    ids = apply(database, document(customers=[customer(), customer("fabrikam")]))
    clock = ManualClock(NOW + DAY)
    with database.transaction() as conn:
        euro = CustomerFacts(currency="EUR")
        changed = change_customer(conn, clock, ids.tenant_id, "fabrikam", euro)
        assert changed.currency.code == "EUR"
        with pytest.raises(BusinessLogicError, match=r"^currency: .*'contoso' has bought .* USD"):
            change_customer(conn, clock, ids.tenant_id, "contoso", euro)
        zone = CustomerFacts(time_zone="Asia/Tokyo")
        assert change_customer(conn, clock, ids.tenant_id, "contoso", zone).time_zone == (
            "Asia/Tokyo"
        )


def test_what_was_known_of_a_customer_can_be_asked_for(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create(conn, clock, tenant_id, "contoso")
        clock.advance(DAY)
        change_customer(conn, clock, tenant_id, "contoso", CustomerFacts(name="New"))

        def name(known_day: float, about_day: float | None = None) -> str:
            at = None if about_day is None else START + about_day * DAY
            return known_customer(conn, tenant_id, "contoso", START + known_day * DAY, at).name

        assert [name(0), name(0.5), name(1), name(2)] == ["Contoso", "Contoso", "New", "New"]
        assert [name(0, 2), name(2, 0.5)] == ["Contoso", "Contoso"]
        with pytest.raises(CustomerNotFoundError, match="nothing was known"):
            name(-1)


def test_a_clock_that_stands_still_keeps_every_change(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create(conn, clock, tenant_id, "contoso")
        for name in ("A", "B", "C"):
            change_customer(conn, clock, tenant_id, "contoso", CustomerFacts(name=name))
        kept = conn.execute("SELECT name FROM subscriptions.customers_history", ()).fetchall()
    assert [row["name"] for row in kept] == ["Contoso", "A", "B"]


def test_nobody_is_above_themselves_and_levels_end(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create(conn, clock, tenant_id, "c-1")
        for level in range(2, LEVELS_MAX + 1):
            create(conn, clock, tenant_id, f"c-{level}", parent=f"c-{level - 1}", payer="parent")
        too_many = f"^parent: .*{LEVELS_MAX + 1} levels, at most {LEVELS_MAX}"
        with pytest.raises(BusinessLogicError, match=too_many):
            create(conn, clock, tenant_id, "c-x", parent=f"c-{LEVELS_MAX}")
        create(conn, clock, tenant_id, "c-0")
        with pytest.raises(BusinessLogicError, match=too_many):
            change_customer(conn, clock, tenant_id, "c-1", CustomerFacts(parent="c-0"))
        for below in ("c-1", "c-2", f"c-{LEVELS_MAX}"):
            with pytest.raises(ConflictError, match=f"^parent: {below!r} is 'c-1' itself"):
                change_customer(conn, clock, tenant_id, "c-1", CustomerFacts(parent=below))
        with pytest.raises(CustomerNotFoundError):
            change_customer(conn, clock, tenant_id, "c-1", CustomerFacts(parent="nobody"))
        children = page_of_customers(
            conn, tenant_id, parent_id=find_customer(conn, tenant_id, "c-1").id
        )
        assert [child.slug for child in children] == ["c-2"]


def test_two_who_put_each_other_above_make_no_circle(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        for slug in ("a", "b"):
            create(conn, clock, tenant_id, slug)

    def put(pair: tuple[str, str]) -> bool:
        try:
            with database.transaction() as conn:
                change_customer(conn, clock, tenant_id, pair[0], CustomerFacts(parent=pair[1]))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as conn:
            change_customer(conn, clock, tenant_id, "a", CustomerFacts(parent="b"))
            second = thread.submit(put, ("b", "a"))
            assert still_waits(second)
        assert second.result() is False


@pytest.mark.req("ENT-05")
def test_deleting_ends_links_forgets_how_to_reach_it_and_frees_the_slug(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        info = {"email": "a@b.example", "tax_ids": [{"type": "eu_vat", "value": "DE1"}]}
        made = create(conn, clock, tenant_id, "contoso", billing_info=info)
        link_subject(conn, clock, made, "chat", EVER)
        link_subject(conn, clock, made, "later", START + 10 * DAY)
        link_subject(conn, clock, made, "before", EVER, START)
        add_payment_method(conn, clock, made, "stripe", "pm_1")
        clock.advance(DAY)
        gone = delete_customer(conn, clock, tenant_id, "contoso")
        assert (gone.billing_info, gone.deleted_at) == ({}, START + DAY)
        assert delete_customer(conn, clock, tenant_id, format_id("cus", made.id)) == gone
        links = {(link.subject, link.valid_to) for link in page_of_subjects(conn, gone)}
        assert links == {("chat", START + DAY), ("before", START)}
        assert customer_of(conn, tenant_id, "later", START + 20 * DAY, None) is None
        assert payment_methods_of(conn, gone) == []
        kept = conn.execute(
            "SELECT reference FROM subscriptions.payment_methods WHERE reference <> ''", ()
        ).fetchall()
        assert kept == []
        before = known_customer(conn, tenant_id, format_id("cus", made.id), START)
        assert before.billing_info == info, "the history knows what was known"

        with pytest.raises(CustomerNotFoundError):
            read_customer(conn, tenant_id, "contoso")
        by_id = format_id("cus", made.id)
        assert read_customer(conn, tenant_id, by_id) == gone
        for refused in (
            lambda: link_subject(conn, clock, made, "more", EVER),
            lambda: change_customer(conn, clock, tenant_id, by_id, CustomerFacts(name="x")),
            lambda: create(conn, clock, tenant_id, "child", parent=by_id),
        ):
            _is_refused(conn, refused)
        again = create(conn, clock, tenant_id, "contoso")
        assert again.id != made.id
        assert link_subject(conn, clock, again, "chat", START + DAY)[1]
        assert [each.id for each in page_of_customers(conn, tenant_id)] == [again.id]
        assert [each.id for each in page_of_customers(conn, tenant_id, deleted=True)] == [made.id]


def _is_refused(conn: Connection, call: Callable[[], object]) -> None:
    with pytest.raises(ConflictError, match=r"^(customer|parent): 'contoso' was deleted"):
        call()


def test_a_customer_that_still_owes_or_pays_for_others_is_not_deleted(database: Database) -> None:
    content = document(
        customers=[customer(), customer("labs", parent="contoso", payer="parent")],
        subscriptions=[subscription()],
    )
    tenant_id = apply(database, content).tenant_id
    clock = ManualClock(NOW + DAY)

    def delete(slug: str) -> str | None:
        try:
            with database.transaction() as conn:
                delete_customer(conn, clock, tenant_id, slug)
        except ConflictError as error:
            return error.message
        return None

    def end(changes: str) -> None:
        with database.transaction() as conn:
            conn.execute(
                f"UPDATE subscriptions.subscriptions SET {changes},"
                " recorded_from = recorded_from + interval '1 second'".encode()
            )

    assert re.search(r"'contoso-standard' \(ACTIVE\)", delete("contoso") or "")
    end("status = 'CANCELED', ended_at = period_end")
    assert re.search(r"'contoso-standard' \(CANCELED\)", delete("contoso") or "")
    end("period_start = period_end, period_end = period_end + interval '1 month'")
    assert re.search(r"is the parent of 'labs'", delete("contoso") or "")
    assert [delete("labs"), delete("contoso")] == [None, None]


def test_an_older_file_that_says_less_leaves_the_rest(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        info = {"address": ["Allee 1"]}
        ensure(conn, clock, tenant_id, billing_info=info, metadata={"a": "b"})
        known, outcome = ensure(conn, clock, tenant_id)
        assert (outcome, known.billing_info, known.metadata) == ("unchanged", info, {"a": "b"})


def test_a_deletion_waits_for_a_link_that_is_being_made_and_ends_it(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        contoso = create(conn, clock, tenant_id, "contoso")

    def delete() -> bool:
        with database.transaction() as conn:
            return delete_customer(conn, clock, tenant_id, "contoso").deleted_at is not None

    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as conn:
            link_subject(conn, clock, contoso, "chat", EVER)
            second = thread.submit(delete)
            assert still_waits(second)
        assert second.result() is True
    with database.transaction() as conn:
        assert customer_of(conn, tenant_id, "chat", START + DAY, None) is None
