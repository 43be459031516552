"""Bounded contexts: each package writes its own Postgres schema, and reads of others are listed."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests import sources

OWNED: Final = {
    "identity": {"identity"},
    "catalog": {"catalog"},
    "subscriptions": {"subscriptions"},
    "invoicing": {"invoicing"},
    "entitlements": {"entitlements"},
    "corrections": {"corrections"},
    "db": {"outbox", "tenancy", "bitemporal", "identity.idempotency_keys"},
}
"""Which schemas, or tables, belong to a package: it alone writes them, and reads them freely."""

_LINES: Final = "a billing run asks for the lines that a page of subscriptions has bought at once"
ALLOWED: Final = {
    ("catalog", "identity.tenants"): "the snapshot of the data plane has meters and keys together",
    ("catalog", "identity.api_keys"): "the snapshot of the data plane has meters and keys together",
    ("subscriptions", "catalog.pricing_plans"): "a subscription is shown with its plan's name",
    ("subscriptions", "catalog.plan_phases"): "who subscribes goes through the plan's phases",
    ("subscriptions", "catalog.rate_card_prices"): "who subscribes needs a price in its currency",
    ("subscriptions", "catalog.plan_versions"): "a subscription holds a version that was sold",
    ("subscriptions", "catalog.rate_cards"): "two rate cards for one meter and subject are refused",
    ("subscriptions", "catalog.meters"): "a refusal names the meter that two rate cards count",
    ("subscriptions", "catalog.prices"): "a contract is shown with the prices that it agrees on",
    ("entitlements", "catalog.features"): "what a customer is given is shown by its feature's name",
    ("entitlements", "catalog.plan_entitlements"): "what plans give is half of what customers have",
    ("invoicing", "identity.tenants"): "a billing run goes from tenant to tenant",
    ("invoicing", "subscriptions.customers"): "an invoice says who pays as they are called now",
    ("invoicing", "catalog.meters"): _LINES,
    ("invoicing", "catalog.plan_versions"): _LINES,
    ("invoicing", "catalog.prices"): _LINES,
    ("invoicing", "catalog.pricing_plans"): _LINES,
    ("invoicing", "catalog.rate_cards"): _LINES,
}
"""What a package reads of another one in its statements, and why."""

_SCHEMAS: Final = (
    "identity|catalog|subscriptions|entitlements|invoicing|corrections|outbox|tenancy|bitemporal"
)
_TABLE: Final = re.compile(rf"\b(?:{_SCHEMAS})\.[a-z_]+\b(?!\()")
_WRITTEN: Final = re.compile(
    rf"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE)\s+(?:ONLY\s+)?((?:{_SCHEMAS})\.[a-z_]+)"
)
_COMMENT: Final = re.compile(r"--[^\n]*")
_FOLDER: Final = Path("sql/postgres/queries")
_NO_TABLES: Final = {"select_tenancy_offenders"}
"""It names tables to judge them, and reads only what Postgres says of them."""


def _tables(text: str) -> tuple[set[str], set[str]]:
    """What a statement writes, and what it only reads."""
    plain = _COMMENT.sub("", text)
    written = set(_WRITTEN.findall(plain))
    return written, set(_TABLE.findall(plain)) - written


@cache
def _queries() -> dict[str, str]:
    return {
        path.stem: text for path, text in sources.texts().items() if path.is_relative_to(_FOLDER)
    }


@cache
def _users() -> dict[str, set[str]]:
    """The packages that name a query in a string: they load it, or hand its name to what does."""
    found = defaultdict[str, set[str]](set)
    for path, _ in sources.python(*sources.packages() - {"benchmarks"}):
        for node in ast.walk(sources.tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found[node.value.removeprefix("postgres/queries/")].add(path.parts[0])
    return found


def _owns(package: str, table: str) -> bool:
    owned = OWNED.get(package, set())
    return table in owned or table.split(".", maxsplit=1)[0] in owned


def _trespasses(
    name: str, text: str, packages: Iterable[str]
) -> Iterator[tuple[str, str, str, bool]]:
    """Query, package, table of another context, and whether it is written."""
    written, read = _tables(text)
    for package in packages:
        for table in sorted(written | read):
            if not _owns(package, table):
                yield name, package, table, table in written


def _all_trespasses() -> list[tuple[str, str, str, bool]]:
    return [
        found
        for name, text in _queries().items()
        if name not in _NO_TABLES
        for found in _trespasses(name, text, _users()[name])
    ]


@pytest.mark.req("OUT-20")
def test_no_package_writes_tables_of_another_context_and_every_read_has_a_reason() -> None:
    found = [
        f"{name}.sql, of {package}: {'writes' if written else 'reads'} {table}"
        for name, package, table, written in _all_trespasses()
        if written or (package, table) not in ALLOWED
    ]
    assert not found, "\n" + "\n".join(found)


def test_a_reason_is_given_for_what_is_still_read() -> None:
    needed = {(package, table) for _, package, table, _ in _all_trespasses()}
    assert set(ALLOWED) - needed == set()


def test_every_query_has_a_package_that_loads_it() -> None:
    assert {name for name in _queries() if not _users()[name]} == set()


@pytest.mark.req("OUT-20")
@pytest.mark.parametrize(
    ("package", "statement", "told"),
    [
        ("invoicing", "SELECT id FROM corrections.operations", "corrections.operations"),
        ("catalog", "UPDATE subscriptions.customers SET name = ''", "subscriptions.customers"),
        (
            "subscriptions",
            "WITH gone AS (DELETE FROM\n invoicing.invoices RETURNING id) SELECT id FROM gone",
            "invoicing.invoices",
        ),
        ("identity", "INSERT INTO outbox.billing_events VALUES (1)", "outbox.billing_events"),
        ("db", "SELECT key FROM identity.api_keys", "identity.api_keys"),
    ],
)
def test_a_planted_trespass_is_found(package: str, statement: str, told: str) -> None:
    [(_, _, table, written)] = _trespasses("planted", statement, [package])
    assert (table, written) == (told, not statement.startswith("SELECT"))


@pytest.mark.parametrize(
    ("package", "statement"),
    [
        ("db", "INSERT INTO identity.idempotency_keys VALUES (1)"),
        ("catalog", "SELECT id FROM catalog.meters -- as subscriptions.customers has it"),
        ("invoicing", "SELECT * FROM invoicing.invoices"),
    ],
)
def test_what_is_ones_own_is_fine(package: str, statement: str) -> None:
    assert not list(_trespasses("fine", statement, [package]))
