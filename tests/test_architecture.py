"""The layers and the one way to SQL, as tests that are shown to fail on a planted violation."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests import sources
from tests.sources import ROOT

_RUNS_SQL: Final = frozenset(
    {"execute", "executemany", "query", "query_arrow", "raw_query", "command", "raw_insert"}
)
_DRIVERS: Final = ("db", "infra")
"""They own connections: beside `sql.load` they may send fixed session commands."""

_NO_SQL: Final = ("api", "cli", "documents", "rating", "core", "ingest")
"""Routers, commands and pure modules: they reach data through a service of a package below."""

_PLANTED: Final = {
    "api": ("psycopg", "Only repositories talk to a database driver"),
    "rating": ("db", "Imports point down"),
    "usage": ("invoicing", "Imports point down"),
    "subscriptions": ("streams", "Data plane and control plane meet only in"),
    "core": ("httpx", "core and rating do no IO"),
}
"""Package -> a module that it must not import, and the contract that says so."""


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _copy_packages(to: Path) -> None:
    for path, text in sources.python(*sources.packages()):
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        (to / path).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", to)


@pytest.mark.req("OUT-17")
def test_every_import_points_down_the_layers(tmp_path: Path) -> None:
    _copy_packages(tmp_path)
    kept = _lint_imports(tmp_path)
    assert kept.returncode == 0, kept.stdout

    for package, (module, _) in _PLANTED.items():
        (tmp_path / package / "planted.py").write_text(f"import {module}\n")
    broken = _lint_imports(tmp_path)
    assert broken.returncode == 1
    for package, (module, contract) in _PLANTED.items():
        assert f"{package}.planted -> {module}" in broken.stdout
        verdicts = [line for line in broken.stdout.splitlines() if line.startswith(contract)]
        assert verdicts
        assert any(line.endswith("BROKEN") for line in verdicts), verdicts


def _loads_sql(node: ast.expr, module: ast.Module) -> bool:
    """Whether an argument is the text of a `.sql` file: `sql.load(…)`, or a name for it."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and sources.dotted(part.func) == "sql.load":
            return True
    return isinstance(node, ast.Name) and any(
        isinstance(other, ast.Assign | ast.AnnAssign)
        and other.value is not None
        and node.id in {sources.dotted(target) for target in _targets(other)}
        and _loads_sql(other.value, module)
        for other in ast.walk(module)
    )


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _raw_sql(module: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """Line and reason of each place where a module goes around the repository layer."""
    yield from (
        (line, f"a statement in Python: {text}") for line, text in sources.statements(module)
    )
    for node in ast.walk(module):
        if isinstance(node, ast.Import) and package in _NO_SQL:
            if "sql" in {name.name for name in node.names}:
                yield node.lineno, "imports sql"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr not in _RUNS_SQL or not node.args or package in _DRIVERS:
                continue
            if sources.dotted(node.func) == "app.command":
                continue  # typer's decorator
            if not _loads_sql(node.args[0], module):
                yield node.lineno, f"{node.func.attr} without sql.load"


@pytest.mark.req("DEP-32")
def test_no_router_or_domain_module_issues_raw_sql() -> None:
    found = [
        f"{path}:{line}: {reason}"
        for path, _ in sources.python(*sources.packages() - {"benchmarks"})
        if not path.is_relative_to("infra/local/clickhouse")
        for line, reason in _raw_sql(sources.tree(path), path.parts[0])
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.req("DEP-32")
@pytest.mark.parametrize(
    ("package", "planted"),
    [
        ("api", "conn.execute('SELECT id FROM customers')"),
        ("invoicing", "query = 'DELETE FROM invoices'"),
        ("catalog", "conn.execute(f'INSERT INTO {table} VALUES (1)')"),
        ("usage", "client.query(text)"),
        ("streams", "client.command(' '.join(words))"),
        ("api", "import sql"),
        ("cli", "conn.execute(statement, values)"),
    ],
)
def test_planted_raw_sql_is_found(package: str, planted: str) -> None:
    assert list(_raw_sql(ast.parse(planted), package))


@pytest.mark.parametrize(
    ("package", "fine"),
    [
        ("invoicing", "conn.execute(sql.load('postgres/queries/x'), values)"),
        ("usage", "text = sql.load('clickhouse/queries/x')\nclient.query_arrow(text)"),
        ("db", "conn.execute(\"SELECT set_config('lock_timeout', '1s', false)\")"),
        ("api", "message = 'create the plan, then select it'"),
    ],
)
def test_what_goes_through_the_loader_is_fine(package: str, fine: str) -> None:
    assert not list(_raw_sql(ast.parse(fine), package))
