"""Writes of the catalog and reads of usage never meet in one database."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
POSTGRES = ("psycopg", "psycopg_pool", "db.postgres")
CLICKHOUSE = ("clickhouse_connect", "db.clickhouse")


def imports(package: str) -> set[str]:
    """Every module that a package imports, wherever the import stands."""
    found: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def uses(package: str, servers: tuple[str, ...]) -> set[str]:
    return {
        module
        for module in imports(package)
        if any(module == server or module.startswith(f"{server}.") for server in servers)
    }


@pytest.mark.req("ING-17")
def test_usage_reads_only_clickhouse_and_the_catalog_writes_only_postgres() -> None:
    assert uses("usage", POSTGRES) == set()
    assert uses("usage", CLICKHOUSE)
    for package in ("catalog", "identity", "subscriptions"):
        assert uses(package, CLICKHOUSE) == set(), package
        assert uses(package, POSTGRES), package
