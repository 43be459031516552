"""A database whose owner is no superuser: row-level security is forced on the owner, too."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from core.acting import Acting
from db.migrate import migrate_postgres
from db.migrations import discover
from db.postgres import Database, Role
from tests.db.test_tenancy import of_tenant, owners_seen
from tests.plugins.logins import plain_owner
from tests.subscriptions.world import apply, plan


def test_an_owner_who_is_no_superuser_can_migrate(database_url: str) -> None:
    with plain_owner(database_url) as (url, _):
        assert migrate_postgres(url)[-1].startswith("00")
        with Database(url, Role.OPERATOR) as operator:
            applied = apply(operator, of_tenant("acme"))
            with operator.transaction(Acting(applied.tenant_id)) as conn:
                assert owners_seen(conn, "catalog.meters") == {applied.tenant_id}
        with Database(url) as forced, forced.transaction() as conn:
            assert owners_seen(conn, "catalog.prices") == set()


def test_an_owner_who_sees_no_tenant_still_checks_what_is_stored(database_url: str) -> None:
    """0026 asks for versions of a subscription's own plan: a wrong row of before stops it."""
    before, now = discover("postgres")[:25], discover("postgres")[25].text.encode()
    swapped = (
        "UPDATE subscriptions.subscriptions SET plan_version_id = "
        "(SELECT id FROM catalog.plan_versions WHERE {} subscriptions.plan_id = plan_id)"
    )
    with plain_owner(database_url) as (url, superuser):
        with psycopg.connect(url) as owner:
            for migration in before:
                owner.execute(migration.text.encode())
        with Database(url, Role.OPERATOR) as operator:
            apply(operator, of_tenant("acme") | {"plans": [plan(), plan("pictures")]})
        with psycopg.connect(superuser, autocommit=True) as stored:
            stored.execute("SET session_replication_role = replica")
            stored.execute(swapped.format("NOT").encode())
        with psycopg.connect(url) as owner, pytest.raises(errors.ForeignKeyViolation):
            owner.execute(now)
        with psycopg.connect(superuser, autocommit=True) as stored:
            stored.execute("SET session_replication_role = replica")
            stored.execute(swapped.format("").encode())
        with psycopg.connect(url) as owner:
            owner.execute(now)
        with Database(url) as forced, forced.transaction() as conn:
            assert owners_seen(conn, "catalog.plan_versions") == set()
            assert owners_seen(conn, "subscriptions.subscriptions") == set()
