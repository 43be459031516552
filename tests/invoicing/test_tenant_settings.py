"""What a tenant has said takes effect in the worker that reads it, and for that tenant alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.acting import OPERATOR, Acting
from core.clock import ManualClock, SystemClock
from core.errors import AuthorizationError, PreconditionError, ValidationError
from core.ids import TenantId
from db.postgres import Connection, Database, Role
from identity.api_keys import CHANGES_READ, SETTINGS_READ, SETTINGS_WRITE, insert_api_key
from identity.settings import change_settings, settings_of
from invoicing.tenants import billing_tenants
from subscriptions.commands.bodies import parse_command
from subscriptions.customers.customer import Customer, find_customer
from subscriptions.errors import LimitReachedError
from subscriptions.life import new_body
from subscriptions.life.operate import perform
from subscriptions.setup import AppliedIds, apply_catalog
from tests.api.management import management
from tests.api.routes.test_sandbox import command
from tests.invoicing.sandbox_world import catalog, found_sandbox, invoices_of
from tests.invoicing.test_sandbox_walk import walk
from tests.plugins.database import database, database_url, do
from tests.plugins.logins import plain_login
from tests.subscriptions.operating import Desk

__all__ = ["database", "database_url"]

MARCH = datetime(2024, 3, 1, tzinfo=UTC)


def tenant(db: Database, slug: str) -> Desk:
    applied = apply_catalog(db, ManualClock(MARCH), catalog(slug))
    return Desk(db, ManualClock(MARCH), applied.tenant_id)


@pytest.fixture
def desks(database: Database) -> tuple[Desk, Desk]:
    return tenant(database, "acme"), tenant(database, "zeta")


def say(db: Database, tenant_id: TenantId, **changes: Any) -> dict[str, Any]:
    with db.transaction(Acting(tenant_id, OPERATOR)) as conn:
        return change_settings(conn, SystemClock(), tenant_id, changes, actor=OPERATOR)


@pytest.mark.req("SEC-03")
def test_dunning_takes_as_many_days_as_each_tenant_says(
    database: Database, desks: tuple[Desk, Desk]
) -> None:
    say(database, desks[0].tenant_id, dunning={"retry_days": [2], "grace_days": 10})
    ends = []
    for desk in desks:
        desk.subscribe(payer="ada")
        for _ in range(4):
            with database.transaction(Acting(desk.tenant_id)) as conn:
                command = parse_command("payment", {"succeeded": False})
                wanted = command.resolve(conn, desk.tenant_id)
                stands = perform(conn, desk.clock, desk.tenant_id, "sub", wanted).standing
            if stands.grace_ends_at is not None:
                break
        ends.append((stands.failed_payments, stands.grace_ends_at))
    assert ends == [
        (2, datetime(2024, 3, 11, tzinfo=UTC)),  # one more try, then ten days
        (4, datetime(2024, 3, 8, tzinfo=UTC)),
    ]


@pytest.mark.req("SEC-03")
def test_a_tenant_has_so_many_subscriptions_and_no_more(
    database: Database, desks: tuple[Desk, Desk]
) -> None:
    say(database, desks[0].tenant_id, limits={"subscriptions": 1})
    for desk in desks:
        desk.subscribe("first", payer="ada")
    with pytest.raises(LimitReachedError, match="1 subscription"):
        desks[0].subscribe("second", payer="bob")
    desks[1].subscribe("second", payer="bob")
    say(database, desks[0].tenant_id, limits={"subscriptions": None})
    desks[0].subscribe("second", payer="bob")


def test_a_set_up_file_and_a_new_subscription_at_once_both_come_in(
    database: Database, desks: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one held its customer and waited for the tenant, the other did the opposite."""
    tenant_id = desks[0].tenant_id
    say(database, tenant_id, limits={"subscriptions": 5})
    body = new_body.parse_new({"slug": "new", "customer": "ada", "plan": "standard"})
    applied: list[Future[AppliedIds]] = []
    with ThreadPoolExecutor(1) as other:

        def find(conn: Connection, *args: Any) -> Customer:
            found = find_customer(conn, *args)
            file = catalog("acme") | {"tenant": {"slug": "acme", "name": "Changed"}}
            applied.append(other.submit(apply_catalog, database, ManualClock(MARCH), file))
            wait_until_somebody_waits_for(database, conn)
            return found

        monkeypatch.setattr(new_body, "find_customer", find)
        with database.transaction(Acting(tenant_id, "first")) as conn:
            made = body.create(conn, ManualClock(MARCH), tenant_id)
        assert applied[0].result(30).changes == []
    assert desks[0].find("new").id == made.id


def wait_until_somebody_waits_for(database: Database, conn: Connection) -> None:
    for _ in range(1000):
        with database.transaction() as watch:
            waiting = watch.execute(
                "SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))",
                (conn.info.backend_pid,),
            )
            if waiting.rowcount:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited within 10 seconds")


@pytest.mark.req("SEC-03")
def test_who_closes_for_all_leaves_out_who_closes_by_hand(
    database: Database, database_url: str, desks: tuple[Desk, Desk]
) -> None:
    say(database, desks[0].tenant_id, closing={"automatic": False})
    with database.transaction() as conn:
        assert [each.slug for each in billing_tenants(conn)] == ["zeta"]
        assert [each.slug for each in billing_tenants(conn, "acme")] == ["acme"]
    by_hand, by_itself = found_sandbox(database_url, "s1"), found_sandbox(database_url, "s2")
    say(database, by_hand, closing={"automatic": False})
    for sandbox in (by_hand, by_itself):
        assert walk(database, sandbox, MARCH).reached
    assert invoices_of(database, by_hand) == []
    assert invoices_of(database, by_itself) != []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dunning": {"grace_days": -1}}, "dunning.grace_days"),
        ({"dunning": {"grace_days": "7"}}, "dunning.grace_days"),
        ({"dunning": {"retry_days": [1] * 11}}, "dunning.retry_days"),
        ({"closing": {"automatic": 1}}, "closing.automatic"),
        ({"closing": True}, "closing: expected an object"),
        ({"dunnin": {"grace_days": 1}}, "dunnin"),
        ({"limits": {"subscriptions": 2**31}}, "limits.subscriptions"),
    ],
)
def test_what_is_no_setting_is_refused_by_its_name(
    database: Database, desks: tuple[Desk, Desk], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        say(database, desks[0].tenant_id, **changes)


def test_limits_are_the_operators_and_a_revision_is_held(
    database: Database, desks: tuple[Desk, Desk]
) -> None:
    tenant_id = desks[0].tenant_id
    assert say(database, tenant_id, dunning={"grace_days": 3})["revision"] == 2
    assert say(database, tenant_id, dunning={"grace_days": 3})["revision"] == 2, "nothing new"
    with database.transaction(Acting(tenant_id, "key_1")) as conn:
        limits = {"limits": {"subscriptions": 5}}
        with pytest.raises(AuthorizationError, match="set by the operator"):
            change_settings(conn, SystemClock(), tenant_id, limits, actor="key_1")
        with pytest.raises(PreconditionError, match="at revision 2"):
            change_settings(conn, SystemClock(), tenant_id, {}, actor="key_1", revision=1)
        assert settings_of(conn, tenant_id).dunning.grace_days == 3
    assert say(database, tenant_id, dunning={"grace_days": None})["dunning"]["grace_days"] == 7


@pytest.fixture
def client(database_url: str, desks: tuple[Desk, Desk], tmp_path: Path) -> Iterator[httpx.Client]:
    scopes = (SETTINGS_READ, SETTINGS_WRITE, CHANGES_READ)
    with Database(database_url) as db:
        key = do(db, insert_api_key, SystemClock(), desks[0].tenant_id, "k", scopes)
    with (
        plain_login(database_url, Role.API, Role.SNAPSHOT) as login,
        management(login, tmp_path) as opened,
    ):
        opened.headers["Authorization"] = f"Bearer {key}"
        yield opened


def test_settings_are_shown_and_changed_over_http_and_told(client: httpx.Client) -> None:
    first = client.get("/v1/settings")
    assert (first.headers["ETag"], first.json()["closing"]) == ('"1"', {"automatic": True})
    wanted = {"closing": {"automatic": False}}
    held = {"If-Match": first.headers["ETag"]}
    changed = client.patch("/v1/settings", json=wanted, headers=held)
    assert (changed.status_code, changed.json()["closing"]["automatic"]) == (200, False)
    assert client.get("/v1/settings").json() == changed.json()
    assert client.patch("/v1/settings", json=wanted, headers=held).status_code == 412
    assert client.patch("/v1/settings", json={"limits": {}}).status_code == 403
    assert client.patch("/v1/settings", json={"x": {"y": 1}}).status_code == 400
    told = client.get("/v1/changes", params={"subject": "tenant.settings.changed"}).json()["data"]
    assert [each["payload"]["revision"] for each in told] == [2]


def test_the_operator_says_it_by_command(database_url: str, desks: tuple[Desk, Desk]) -> None:
    assert desks
    asked = ("tenants", "settings", "acme", "--set")
    changed = command(database_url, *asked, "limits.subscriptions=2")
    assert (changed["limits"], changed["revision"]) == ({"subscriptions": 2}, 2)
    assert command(database_url, *asked[:3]) == changed
    for text in ("limits.subscriptions", "limits=2", "limits.subscriptions=many"):
        with pytest.raises(ValidationError, match=r"such as dunning\.grace_days=3"):
            command(database_url, *asked, text)
