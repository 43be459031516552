"""One invoice for several customers and tenants, read with a user's own token: who pays sees it.

In each tenant c0, c1 and c2 pay 10.00 a month. Of `home`, c0 pays for its child c1, too, and for
c0 of `member`, a tenant of the same owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from core.acting import Acting
from core.ids import format_id
from db.postgres import Database, Role
from identity.api_keys import SCOPES
from tests.api.test_own import ALICE, BOB, give, own
from tests.api.test_token_gate import bearer, taking_tokens
from tests.identity.signer import token
from tests.invoicing import tenants_world as both
from tests.invoicing import world

CAROL, DAVE = UUID(int=0xC), UUID(int=0xD)
THEIRS = (
    ("home", "c0", ALICE), ("home", "c1", BOB), ("home", "c2", DAVE), ("member", "c0", CAROL),
)  # fmt: skip
TABLES = ("invoices", "invoice_lines", "received_groups", "hand_overs", "payer_links")
Ids = dict[str, str]


@pytest.fixture
def billed(database: Database, database_url: str) -> Database:
    """Both tenants are closed; each of four customers is a user's."""
    both.found_both(database_url, "member", "home", 3)
    both.agree(database_url, "member", "home")
    with database.transaction() as conn:
        conn.execute(
            "UPDATE subscriptions.customers SET parent_id = %s, payer = 'parent', recorded_from ="
            " recorded_from + interval '1 second' WHERE id = %s",
            (world.named("home", "customer", 0), world.named("home", "customer", 1)),
        )
    both.close_both(database, "home", "member")
    for tenant, slug, user in THEIRS:
        give(database, tenant, slug, user)
    return database


@pytest.fixture
def client(billed: Database, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    assert billed
    with taking_tokens(database_url, tmp_path) as opened:
        yield opened


def of_staff(tenant: str) -> dict[str, str]:
    return bearer(token(tenant=tenant, scope=" ".join(sorted(SCOPES))))


def listed(client: httpx.Client, headers: dict[str, str]) -> Ids:
    """Ids of invoices that are listed, and what each is."""
    found = client.get("/v1/invoices", headers=headers)
    assert found.status_code == 200, found.text
    return {each["id"]: each["status"] for each in found.json()["data"]}


def status_of(client: httpx.Client, name: str, headers: dict[str, str]) -> int:
    return client.get(f"/v1/invoices/{name}", headers=headers).status_code


@pytest.mark.req("SEC-06", "SEC-16")
def test_who_pays_sees_all_of_it_and_nobody_else_sees_any(client: httpx.Client) -> None:
    alice, bob, carol = own(ALICE, "home"), own(BOB, "home"), own(CAROL, "member")
    [joint] = [
        each
        for each in client.get("/v1/invoices", headers=of_staff("home")).json()["data"]
        if "groups" in each and each["status"] == "open"
    ]
    whose = [("tenant" in each, each.get("for", {}).get("name")) for each in joint["groups"]]
    assert whose == [(False, None)] * 2 + [(False, "c1")] + [(True, None)] * 2
    shown = client.get(f"/v1/invoices/{joint['id']}", headers=alice)
    assert (shown.status_code, shown.json()) == (200, joint)
    parts = [each["id"] for each in joint["groups"] if "tenant" not in each]
    handed = [each["id"] for each in joint["groups"] if "tenant" in each]

    # What was put together stays hers, part by part; what came from the member never was.
    assert set(listed(client, alice)) - set(parts) == {joint["id"]}
    assert [status_of(client, each, alice) for each in parts] == [200] * 3
    assert [status_of(client, each, alice) for each in handed] == [403] * 2
    # The child, another customer, and the member's user see nothing of it, by id or by number.
    for other in (bob, own(DAVE, "home"), carol, own(CAROL, "home"), own(ALICE, "member")):
        names = [joint["id"], joint["number"], *parts]
        assert {status_of(client, each, other) for each in names} == {403}
        assert not set(listed(client, other)) & {joint["id"], *parts, *handed}
    assert listed(client, bob) == {}
    # What the member handed over was sent to nobody there: its staff alone sees it.
    assert [status_of(client, each, carol) for each in handed] == [403] * 2
    assert listed(client, carol) == {}
    known = listed(client, of_staff("member"))
    assert {known[each] for each in handed} == {"handed_over"}
    assert not set(listed(client, of_staff("home"))) & set(handed)
    [alone] = listed(client, own(DAVE, "home"))
    assert status_of(client, alone, alice) == 403


def test_the_same_holds_in_sql_whatever_a_statement_forgets(
    billed: Database, database_url: str
) -> None:
    """Alice: an invoice of three parts, five groups of which two were received."""
    assert billed
    seen = {}
    with Database(database_url, Role.API) as api:
        for tenant, slug, user in THEIRS:
            acting = Acting(both.acting(tenant).tenant_id, user_id=user)
            with api.transaction(acting) as conn:
                counts = []
                for table in TABLES:
                    [row] = conn.execute(f"SELECT count(*) AS n FROM invoicing.{table}".encode())
                    counts.append(row["n"])
                payers = conn.execute("SELECT DISTINCT customer_id FROM invoicing.invoices")
                names = [format_id("cus", row["customer_id"]) for row in payers]
            mine = format_id("cus", world.named(tenant, "customer", int(slug[1:])))
            assert names in ([], [mine])
            seen[tenant, slug] = tuple(counts)
    nothing = (0,) * len(TABLES)
    assert seen == {
        ("home", "c0"): (4, 6, 2, 0, 0),  # each part has a fee and tokens
        ("home", "c1"): nothing,
        ("home", "c2"): (1, 2, 0, 0, 0),
        ("member", "c0"): nothing,
    }
