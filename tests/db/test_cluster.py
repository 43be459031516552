"""The schema of a cluster: the engine reads every statement, and each says the right thing."""

from __future__ import annotations

import re

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

import sql
from core.endpoints import Endpoints
from core.errors import ConflictError, InternalError, ValidationError
from db.clickhouse import connect_clickhouse
from db.cluster import Cluster, cluster_of, sharded_tables
from db.migrate import migrate_clickhouse
from db.migrations import discover

STATEMENTS = tuple(
    statement for migration in discover("clickhouse") for statement in migration.statements
)
SHARDED = sharded_tables(STATEMENTS)
CLUSTER = Cluster("main-1")


def rendered() -> list[str]:
    return [made for one in STATEMENTS for made in CLUSTER.render(one, SHARDED)]


def test_what_is_keyed_by_partition_is_sharded_by_it_and_the_rest_is_everywhere() -> None:
    assert {"usage_events", "meter_usage", "stream_ledger", "stream_conflicts"} <= SHARDED
    assert "stream_generations" not in SHARDED
    tables = {
        match[1]: statement
        for statement in rendered()
        if (match := re.match(r"CREATE TABLE IF NOT EXISTS (\w+) ON CLUSTER `main-1`", statement))
    }
    for name in SHARDED:
        assert "Replicated" in tables[f"{name}_local"]
        assert "/{shard}'" in tables[f"{name}_local"]
        assert f"{name}_local, cityHash64(generation, partition))" in tables[name]
    assert "stream_generations_local" not in tables
    assert "/{shard}'" not in tables["stream_generations"]


def test_replicated_tables_keep_their_key_version_partitions_and_promises() -> None:
    local = next(made for made in rendered() if "stream_ledger_local" in made)
    assert "'{shard}-{replica}', version)" in local
    for kept in (
        "PARTITION BY (generation, level)",
        "ORDER BY (generation, partition, level, run)",
        "fsync_after_insert = 1",
        "fsync_part_directory = 1",
        " replicated_deduplication_window = 0",
    ):
        assert kept in local, kept
    assert "non_replicated" not in local


def test_columns_are_added_to_both_tables_and_indices_to_the_one_that_has_rows() -> None:
    statement = (
        "ALTER TABLE meter_usage ADD COLUMN IF NOT EXISTS a Decimal(38, 12) DEFAULT 0 AFTER b,"
        " ADD INDEX IF NOT EXISTS i a TYPE minmax, MODIFY COLUMN c Int64 CODEC(T64, ZSTD(1))"
    )
    local, distributed = CLUSTER.render(statement, SHARDED)
    assert local.startswith("ALTER TABLE meter_usage_local ON CLUSTER `main-1` ADD COLUMN")
    assert "ADD INDEX" in local
    assert distributed == (
        "ALTER TABLE meter_usage ON CLUSTER `main-1` ADD COLUMN IF NOT EXISTS a Decimal(38, 12)"
        " DEFAULT 0 AFTER b, MODIFY COLUMN c Int64 CODEC(T64, ZSTD(1))"
    )


def test_rows_are_changed_where_they_are() -> None:
    assert CLUSTER.render("ALTER TABLE stream_ledger DELETE WHERE level > 0", SHARDED) == (
        "ALTER TABLE stream_ledger_local ON CLUSTER `main-1` DELETE WHERE level > 0",
    )


def test_a_table_is_dropped_with_the_one_over_it() -> None:
    assert CLUSTER.render("DROP TABLE IF EXISTS meter_usage SYNC", SHARDED) == (
        "DROP TABLE IF EXISTS meter_usage_local ON CLUSTER `main-1` SYNC",
        "DROP TABLE IF EXISTS meter_usage ON CLUSTER `main-1` SYNC",
    )


def test_other_statements_and_names_are_refused() -> None:
    with pytest.raises(InternalError, match="no form of: CREATE VIEW"):
        CLUSTER.render("CREATE VIEW a AS SELECT 1", SHARDED)
    with pytest.raises(ValidationError, match="no name of a cluster"):
        Cluster("a` b")


def test_the_engine_reads_every_statement_of_a_cluster(installation: Endpoints) -> None:
    client = connect_clickhouse(installation.clickhouse)
    try:
        ledger = sql.load("clickhouse/queries/create_schema_migrations").strip()
        database = sql.load("clickhouse/queries/create_database").strip()
        others = (*CLUSTER.render(ledger, SHARDED), *CLUSTER.render(database, SHARDED))
        for statement in [
            *rendered(),
            *(one.replace("{database:Identifier}", "x") for one in others),
        ]:
            assert "ON CLUSTER" in statement
            tree = client.query(f"EXPLAIN AST {statement}").result_rows
            assert str(tree[0][0]).startswith(("CreateQuery", "AlterQuery", "DropQuery")), statement
        with pytest.raises(DatabaseError, match="SYNTAX_ERROR"):
            client.query(f"EXPLAIN AST {rendered()[0]} SHARDED")
        assert cluster_of(client) is None
    finally:
        client.close()


def test_a_single_server_is_not_migrated_as_a_cluster_afterwards(installation: Endpoints) -> None:
    with pytest.raises(ConflictError, match="was made for a single server"):
        migrate_clickhouse(installation.clickhouse, cluster=CLUSTER)
