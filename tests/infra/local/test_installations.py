from __future__ import annotations

import psycopg

from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse
from tests.plugins.installations import Installer


def test_two_installations_on_one_stack_see_nothing_of_each_other(
    installer: Installer, installation: Endpoints
) -> None:
    with installer.installation() as other:
        assert {other.postgres, other.clickhouse, other.topic_prefix}.isdisjoint(
            {installation.postgres, installation.clickhouse, installation.topic_prefix}
        )
        with psycopg.connect(installation.postgres) as connection:
            connection.execute("CREATE TABLE public.mark (x int)")
        with psycopg.connect(other.postgres) as connection:
            row = connection.execute("SELECT to_regclass('public.mark')").fetchone()
        assert row == (None,)
        client = connect_clickhouse(installation.clickhouse)
        client.command("CREATE TABLE mark (x Int32) ENGINE = MergeTree ORDER BY x")
        client.close()
        client = connect_clickhouse(other.clickhouse)
        assert client.command("EXISTS TABLE mark") == 0
        client.close()


def test_an_installation_comes_migrated(installation: Endpoints) -> None:
    client = connect_clickhouse(installation.clickhouse)
    assert client.command("SELECT count() FROM usage_events") == 0
    client.close()
    with psycopg.connect(installation.postgres) as connection:
        assert connection.execute("SELECT count(*) FROM identity.tenants").fetchone() == (0,)
