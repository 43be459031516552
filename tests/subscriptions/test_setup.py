"""Applying a set-up file: everything or nothing, and nothing the second time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from catalog.snapshot import read_catalog
from core.errors import TollbookError
from db.postgres import Database
from identity.api_keys import hash_api_key
from subscriptions.customers.customer import read_customer
from tests.subscriptions.world import NOW, apply, customer, document, meter, plan, subscription

LATER = NOW + timedelta(days=1)


def rows_in_all_tables(database: Database) -> int:
    with database.transaction() as conn:
        tables = conn.execute(
            "SELECT format('%%I.%%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname IN ('identity', 'catalog', 'subscriptions', 'outbox')",
            (),
        ).fetchall()
        counts = [
            conn.execute(f"SELECT count(*) AS n FROM {table['name']}".encode()).fetchone()
            for table in tables
        ]
    return sum(count["n"] for count in counts if count)


def test_a_file_makes_everything_and_names_it(database: Database) -> None:
    ids = apply(database, document())
    assert ids.changes == [
        "created tenant acme",
        "created API key first key",
        "created meter tokens",
        "created plan version standard 1",
        "created customer contoso",
        "linked subject contoso-chat",
        "created subscription contoso-standard",
    ]
    assert ids.api_key is not None
    with database.transaction() as conn:
        snapshot = read_catalog(conn)
    assert snapshot.api_keys[hash_api_key(ids.api_key)].tenant_id == ids.tenant_id
    assert [each.id for each in snapshot.meters] == [ids.meters["tokens"]]


def test_the_same_file_again_changes_nothing(database: Database) -> None:
    first = apply(database, document())
    before = rows_in_all_tables(database)
    again = apply(database, document(), LATER)
    assert (again.changes, again.api_key) == ([], None)
    assert rows_in_all_tables(database) == before
    for name in ("tenant_id", "meters", "plan_versions", "customers", "subscriptions"):
        assert getattr(again, name) == getattr(first, name)


def test_files_applied_at_once_make_one_world(database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: apply(database, document()), range(4)))
    assert sorted(len(run.changes) for run in runs) == [0, 0, 0, 7]
    assert len({run.customers["contoso"] for run in runs}) == 1


def test_what_a_later_file_adds_is_added_and_what_it_leaves_out_stays(database: Database) -> None:
    apply(database, document())
    more = apply(
        database,
        document(
            meters=[meter("images")],
            plans=[],
            customers=[customer("fabrikam")],
            subscriptions=[subscription("fabrikam")],
        ),
        LATER,
    )
    assert more.changes == [
        "created meter images",
        "created customer fabrikam",
        "linked subject fabrikam-chat",
        "created subscription fabrikam-standard",
    ]


def test_how_the_tenant_invoices_is_kept_with_it(database: Database) -> None:
    invoicing = {"seller": {"address": ["Allee 1"], "payment": ["IBAN …"]}, "payment_days": 14}
    apply(database, document(tenant={"slug": "acme", "name": "Acme", "invoicing": invoicing}))
    with database.transaction() as conn:
        row = conn.execute("SELECT metadata FROM identity.tenants").fetchone()
    assert row == {"metadata": {"invoicing": invoicing | {"number_prefix": "INV-"}}}


def test_a_file_says_who_pays_for_whom_and_where_bills_go(database: Database) -> None:
    info = {
        "postal_address": {"line1": "Allee 1", "country": "DE"},
        "tax_ids": [{"type": "eu_vat", "value": "DE1"}],
    }
    labs = customer("labs", parent="contoso", payer="parent", metadata={"tier": "1"})
    content = document(customers=[customer(billing_info=info), labs])
    ids = apply(database, content)
    with database.transaction() as conn:
        group, child = (read_customer(conn, ids.tenant_id, slug) for slug in ("contoso", "labs"))
    assert (group.billing_info, child.parent_id, child.payer) == (info, group.id, "parent")
    assert apply(database, content, LATER).changes == []
    alone = customer("labs", payer="self", metadata={"tier": "2"})
    again = apply(database, document(customers=[customer(), alone]), LATER)
    assert again.changes == ["updated customer labs"]
    with database.transaction() as conn:
        assert read_customer(conn, ids.tenant_id, "contoso").billing_info == info
        assert read_customer(conn, ids.tenant_id, "labs").metadata == {"tier": "2"}


def _meter_with(**changes: Any) -> list[dict[str, Any]]:
    return [meter() | changes]


def _plan_with(card: dict[str, Any]) -> list[dict[str, Any]]:
    made = plan()
    made["rate_cards"][1] |= card
    return [made]


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"meters": [meter() | {"value": "a +"}]}, r"meters\[0\]\.value: 'a \+' needs"),
    ({"meters": [meter() | {"filter": {"path": "a"}}]}, r"meters\[0\]\.filter: give"),
    ({"meters": [meter() | {"per": "week"}]}, r"meters\[0\]\.per: "),
    ({"meters": _meter_with(value="a..b")}, r"meters\[0\]\.value: "),
    ({"meters": _meter_with(aggregation="count")}, r"meters\[0\]\.value: "),
    ({"plans": _plan_with({"meter": "x"})}, r"plans\[0\]\.rate_cards\[1\]\.meter: .*'x'"),
    (
        {"plans": _plan_with({"price": {"model": "per_unit", "amount": "1", "per": 3}})},
        r"plans\[0\]\.rate_cards\[1\]\.price\.per: ",
    ),
    (
        {"plans": _plan_with({"price": {"amount": "1"}})},
        r"plans\[0\]\.rate_cards\[1\]\.price\.model: missing",
    ),
    ({"plans": _plan_with({"key": "platform"})}, r"plans\[0\]\.rate_cards: two lines"),
    ({"plans": [plan() | {"currency": "dollar"}]}, r"plans\[0\]\.currency: 'dollar'"),
    ({"customers": [customer(time_zone="Berlin")]}, r"customers\[0\]\.time_zone: "),
    (
        {"customers": [customer(), customer("b", subjects=["b", "contoso-chat"])]},
        r"customers\[1\]\.subjects\[1\]\.subject: .*'contoso'",
    ),
    ({"customers": [customer(parent="nobody")]}, r"customers\[0\]\.parent: .*'nobody'"),
    ({"customers": [customer(payer="parent")]}, r"customers\[0\]\.payer: 'parent' needs"),
    (
        {"customers": [customer(billing_info={"tax_ids": [{"type": "eu_vat", "value": ""}]})]},
        r"customers\[0\]\.billing_info\.tax_ids\[0\]\.value: ",
    ),
    ({"subscriptions": [subscription("nobody")]}, r"subscriptions\[0\]\.customer: .*'nobody'"),
    ({"subscriptions": [subscription(plan="gold")]}, r"subscriptions\[0\]\.plan: .*'gold'"),
]


@pytest.mark.parametrize(("parts", "message"), REFUSALS)
def test_a_refused_file_is_named_by_path_and_leaves_nothing(
    database: Database, parts: dict[str, Any], message: str
) -> None:
    before = rows_in_all_tables(database)
    with pytest.raises(TollbookError, match="^" + message):
        apply(database, document(**parts))
    assert rows_in_all_tables(database) == before


def test_a_meter_may_say_every_word_and_be_relabelled(database: Database) -> None:
    words: dict[str, Any] = {
        "slug": "storage",
        "name": "Storage",
        "event_types": ["disk.resized", "disk.deleted"],
        "aggregation": "weighted_sum",
        "value": "coalesce(size.gb, 0)",
        "filter": {"or": [{"path": "tier", "equals": "ssd"}, {"path": "size.gb", "gt": "100"}]},
        "dimensions": {"region": "region"},
        "conversion": {"factor": "0.001", "rounding": "half_even", "decimals": 2},
        "per": "day",
    }
    meters = [meter(), words]
    assert "created meter storage" in apply(database, document(meters=meters)).changes
    again = [meter(), words | {"value": "coalesce(size.gb,0)", "unit": "TB days", "name": "Disks"}]
    assert apply(database, document(meters=again), LATER).changes == ["relabelled meter storage"]
    assert not apply(database, document(meters=again), LATER).changes
    changed: dict[str, Any] = {"per": "hour", "dimensions": {}, "filter": None}
    for word, value in changed.items():
        with pytest.raises(TollbookError, match=rf"^meters\[1\]\.{word}: .*another slug"):
            apply(database, document(meters=[meter(), words | {word: value}]), LATER)


def test_a_meter_that_was_applied_is_final(database: Database) -> None:
    apply(database, document())
    with pytest.raises(TollbookError, match=r"^meters\[0\]\.event_type: .*another slug"):
        apply(database, document(meters=_meter_with(event_type="other")), LATER)
