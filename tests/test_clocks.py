"""Whoever opens a transaction for a tenant and needs the time asks whose time it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests import sources

_SHELLS: Final = {"api", "cli", "catalog", "subscriptions", "invoicing"}
_CLOCKS: Final = {"clock", "machine", "SystemClock"}
_ASKS: Final = {"clock_of", "tenant_clock"}

_REAL_TIME: Final = {
    "cli/commands/changes.py": "events are kept for so many real days",
    "cli/commands/keys.py": "keys open the doors of the real world",
    "cli/commands/tenants.py": "who operates an installation lives in real time",
    "cli/commands/sandbox.py": "it makes and moves the clocks",
    "cli/commands/meters.py": "a meter that is tried out is never stored",
    "invoicing/hand_over.py": "a sandbox has no owner, so it hands nothing over",
    "invoicing/payer_links.py": "a sandbox has no owner, so nobody else invoices for it",
    "cli/commands/payers.py": "the same",
    "invoicing/sandbox_walk.py": "it moves the clock, and gives it to nobody",
}


def _names(node: ast.AST) -> set[str]:
    return {
        part.id if isinstance(part, ast.Name) else part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute)
    }


def _opens(item: ast.withitem) -> bool:
    """Whether it begins a transaction; one of a connection is a savepoint in another."""
    names = _names(item)
    return any("ransaction" in name for name in names) and "conn" not in _names(item.context_expr)


def _own_parts(function: ast.AST) -> Iterator[ast.AST]:
    """All of a function but the functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _own_parts(child)


def _forgetful(module: ast.Module) -> Iterator[int]:
    """Lines of functions that begin a transaction, use a clock, and never ask whose."""
    for function in ast.walk(module):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        opens = [
            part
            for part in _own_parts(function)
            if isinstance(part, ast.With) and any(_opens(item) for item in part.items)
        ]
        used = {name for each in opens for name in _names(each)}
        if used & _CLOCKS and not used & _ASKS:
            yield function.lineno


def test_no_shell_gives_a_tenant_the_machines_time() -> None:
    found = {
        f"{path}:{line}"
        for path, _ in sources.python(*_SHELLS)
        if str(path) not in _REAL_TIME
        for line in _forgetful(sources.tree(path))
    }
    assert not found


@pytest.mark.parametrize(
    ("text", "forgets"),
    [
        ("with db.transaction(acting) as conn:\n  create(conn, clock)", True),
        ("with db.transaction(acting) as conn:\n  once(lambda: create(conn, clock))", True),
        ("with self.db.transaction(acting) as conn:\n  create(conn, self.clock)", True),
        ("with tenant_transaction(x) as (conn, t):\n  create(conn, SystemClock())", True),
        ("with db.transaction(a) as conn:\n  create(conn, clock_of(conn, clock, t))", False),
        ("with db.transaction(a) as conn:\n  read(conn)", False),
    ],
)
def test_a_planted_machine_time_is_found(text: str, forgets: bool) -> None:
    body = "\n".join(f"  {line}" for line in text.splitlines())
    assert bool(list(_forgetful(ast.parse(f"def f():\n{body}")))) is forgets


_HANDED_ON: Final = re.compile(r"changing|change_once|clock_of|_add_\w+|create_\w+_router")
"""What a route may give the machine's clock to: each of them asks for the tenant's."""


def _machines(module: ast.Module) -> Iterator[int]:
    """Lines that use the machine's clock as if it were the tenant's."""
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    handed = {
        id(given)
        for call in calls
        if isinstance(call.func, ast.Name) and _HANDED_ON.fullmatch(call.func.id)
        for given in call.args
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and node.id == "machine" and id(node) not in handed:
            yield node.lineno


def test_no_route_uses_the_machines_time() -> None:
    found = {
        f"{path}:{line}"
        for path, _ in sources.python("api")
        if path.parts[1] == "routes"
        for line in _machines(sources.tree(path))
    }
    assert not found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("change_once(db, machine, http, acting, {}, lambda conn, clock: f(conn, clock))", False),
        ("change_once(db, machine, http, acting, {}, lambda conn, clock: f(conn, machine))", True),
        ("with changing(db, machine, acting) as (conn, clock):\n  f(conn, machine)", True),
        ("_add_writing(router, db, machine, acting_of)", False),
    ],
)
def test_a_route_that_uses_it_is_found(text: str, found: bool) -> None:
    assert bool(list(_machines(ast.parse(text)))) is found
