"""How Postgres answers the hot questions about subscriptions: as which role, by which indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

import sql
from benchmarks.crowd import AS_OF, Crowd
from benchmarks.installation import load_sql
from core.acting import SYSTEM, Acting
from core.ids import SubscriptionId
from db.postgres import Connection, Database, Role

LARGE: Final = 10_000
"""From so many rows on no table is read as a whole."""

_NIL: Final = UUID(int=0)
_PAGE: Final = {"id": None, "slug": None, "customer_id": None, "status": None, "after": "",
                "limit": 101}  # fmt: skip


_Question = tuple[str, str, dict[str, Any]]
"""What it is, the query, its values."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a question was answered: milliseconds, the indexes used, large tables read as a whole."""

    name: str
    query: str
    milliseconds: float
    indexes: tuple[str, ...]
    scans: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the questions are about."""

    plan_id: UUID
    plan_version_id: UUID
    customers: list[UUID]
    subscriptions: list[UUID]


def ask(url: str, crowd: Crowd, page: int) -> list[Answer]:
    """Ask all of them about a tenant; those for a page of due periods about so many of them."""
    known, large = _known(url, crowd, page), large_tables(url)
    found = []
    for role, asked in (
        (Role.BILLING, _of_billing(crowd, known, page)),
        (Role.API, _of_api(crowd, known)),
    ):
        with Database(url, role) as db, db.transaction(Acting(crowd.tenant_id, SYSTEM)) as conn:
            found += [_answer(conn, *each, large) for each in asked]
    return found


def _of_billing(crowd: Crowd, known: _Known, page: int) -> list[_Question]:
    tenant: dict[str, Any] = {"tenant_id": crowd.tenant_id}
    one, payer = known.subscriptions[0], known.customers[0]
    due = tenant | {
        "subscription_id": None, "as_of": AS_OF, "after_tenant_id": _NIL,
        "after_customer_id": _NIL, "after_id": _NIL, "limit": page + 1,
    }  # fmt: skip
    behind = {"after_tenant_id": crowd.tenant_id, "after_customer_id": payer, "after_id": one}
    block = {"subscription_ids": known.subscriptions, "ids": known.subscriptions}
    moved = {
        "starts": [AS_OF] * page, "ends": [AS_OF + timedelta(days=30)] * page,
        "closed": [True] * page,
    }  # fmt: skip
    since = {"since": [AS_OF - timedelta(days=30)] * page}
    return [
        ("due page", "select_due_subscriptions", due),
        ("due page behind another", "select_due_subscriptions", due | behind),
        ("due of one", "select_due_subscriptions", due | {"subscription_id": one}),
        ("due early", "select_due_subscriptions", due | {"as_of": AS_OF - timedelta(days=90)}),
        ("claim", "claim_subscriptions", tenant | block),
        ("lock", "lock_subscriptions", tenant | block),
        ("terms of a page", "select_subscription_terms", block),
        ("pauses of a page", "select_subscription_pauses", block),
        ("subjects of a page", "select_subject_links", {"customer_ids": known.customers}),
        ("lock to move on", "lock_subscription_periods", block),
        ("move on", "move_subscription_periods", block | moved),
        ("lines in advance", "select_lines_in_advance", tenant | block | since),
        ("credits", "select_credits", tenant | block),
        ("pass credits on", "move_credits", block | {"credits": [1] * page}),
    ]


def _of_api(crowd: Crowd, known: _Known) -> list[_Question]:
    tenant: dict[str, Any] = {"tenant_id": crowd.tenant_id}
    one, payer = known.subscriptions[0], known.customers[0]
    shown = tenant | _PAGE
    return [
        ("list", "select_subscription_page", shown),
        ("list on", "select_subscription_page", shown | {"after": f"s-{crowd.count // 2}"}),
        ("by id", "select_subscription_page", shown | {"id": one}),
        ("by slug", "select_subscription_page", shown | {"slug": "s-77"}),
        ("by customer", "select_subscription_page", shown | {"customer_id": payer}),
        ("by status", "select_subscription_page", shown | {"status": "PAST_DUE"}),
        ("by a status of none", "select_subscription_page", shown | {"status": "CANCELED"}),
        ("customer by id", "select_subscription_customer", tenant | {"id": one, "slug": None}),
        ("customer by slug", "select_subscription_customer", tenant | {"id": None, "slug": "s-7"}),
        ("lock one", "lock_subscription", tenant | {"id": one}),
        ("terms of one", "select_subscription_terms", {"subscription_ids": [one]}),
        ("pauses of one", "select_subscription_pauses", {"subscription_ids": [one]}),
        ("steps due", "select_steps_due",
         tenant | {"as_of": AS_OF + timedelta(hours=2), "limit": 200}),
        ("to migrate", "select_plan_subscriptions",
         tenant | {"plan_id": known.plan_id, "after": _NIL, "limit": 200}),
        ("to migrate, behind another", "select_plan_subscriptions",
         tenant | {"plan_id": known.plan_id, "after": one, "limit": 200}),
        ("meter overlap", "select_meter_overlap", tenant | {"id": one}),
        ("changes of one", "select_subscription_changes",
         tenant | {"subscription_id": one, "after": 0, "limit": 101}),
    ]  # fmt: skip


def _known(url: str, crowd: Crowd, page: int) -> _Known:
    with psycopg.connect(url, row_factory=dict_row) as conn:
        rows = conn.execute(
            load_sql("select_crowd_due"), {"tenant_id": crowd.tenant_id, "limit": page}
        ).fetchall()
    return _Known(
        rows[0]["plan_id"],
        rows[0]["plan_version_id"],
        [row["customer_id"] for row in rows],
        [SubscriptionId(row["id"]) for row in rows],
    )


def large_tables(url: str) -> frozenset[str]:
    """Tables of more than `LARGE` rows."""
    with psycopg.connect(url) as conn:
        rows = conn.execute(load_sql("select_large_tables"), {"rows": LARGE})
        return frozenset(name for (name,) in rows)


def _answer(
    conn: Connection, name: str, query: str, values: Mapping[str, Any], large: frozenset[str]
) -> Answer:
    text = f"EXPLAIN (ANALYZE, BUFFERS OFF, FORMAT JSON) {sql.load(f'postgres/queries/{query}')}"
    with conn.transaction(force_rollback=True):
        row = conn.execute(text.encode(), values, prepare=False).fetchone()
    assert row is not None
    [plan] = row["QUERY PLAN"]
    nodes = list(_walk(plan["Plan"]))
    scanned = (each["Relation Name"] for each in nodes if each["Node Type"] == "Seq Scan")
    return Answer(
        name,
        query,
        plan["Execution Time"],
        tuple(sorted({each["Index Name"] for each in nodes if "Index Name" in each})),
        tuple(sorted(set(scanned) & large)),
    )


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _walk(below)
