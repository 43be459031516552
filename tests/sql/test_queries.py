"""Queries are typed: what is bound and what comes back is what the schema and the code say."""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest

from catalog.plan_view import Plan
from db.migrations import AppliedMigration
from db.outbox import BillingEvent
from db.postgres import Database
from db.tenancy import Offender
from identity.tenants import Tenant
from subscriptions.customers.payment_methods import PaymentMethod
from subscriptions.customers.subjects import SubjectLink
from subscriptions.life.change_history import SubscriptionChange
from tests import sources
from tests.sql.test_contexts import _queries

EXACT: Final[dict[str, type]] = {
    "bool": bool,
    "bytea": bytes,
    "int2": int,
    "int4": int,
    "int8": int,
    "name": str,
    "text": str,
    "numeric": Decimal,
    "timestamptz": datetime,
    "uuid": UUID,
    "jsonb": object,
    "record": object,
    "void": type(None),
}
"""The types of Postgres that queries use, and what Python has for them: none is inexact."""

FILLED: Final[dict[str, type]] = {
    "select_changes": BillingEvent,
    "select_payment_methods": PaymentMethod,
    "select_plan_page": Plan,
    "select_schema_migrations": AppliedMigration,
    "select_subject_page": SubjectLink,
    "select_subscription_changes": SubscriptionChange,
    "select_tenancy_offenders": Offender,
    "select_tenant": Tenant,
    "select_tenants": Tenant,
}
"""Queries whose rows are taken as they come, and what each becomes."""

_NEEDS_TABLE: Final = "create_schema_migrations"
_PARAMETER: Final = re.compile(r"%\((\w+)\)[sb]")


@pytest.fixture(scope="module")
def described(module_database: Database) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Of each query, the types of its parameters, and of its columns by name."""
    found = {}
    with module_database.transaction() as conn:
        names = {
            row["oid"]: row["name"]
            for row in conn.execute("SELECT oid::int8 AS oid, typname AS name FROM pg_type")
        }
        for query, text in _queries().items():
            if query == _NEEDS_TABLE:
                continue
            conn.pgconn.prepare(query.encode(), _numbered(text).encode())
            told = conn.pgconn.describe_prepared(query.encode())
            bound = [names[told.param_type(at)] for at in range(told.nparams)]
            columns = {
                (told.fname(at) or b"").decode(): names[told.ftype(at)]
                for at in range(told.nfields)
            }
            found[query] = (bound, columns)
    return found


def _numbered(query: str) -> str:
    numbers: dict[str, int] = {}
    text = _PARAMETER.sub(lambda m: f"${numbers.setdefault(m[1], len(numbers) + 1)}", query)
    return text.replace("%%", "%")


def _exact(name: str) -> type:
    return list if name.startswith("_") else EXACT[name]


@pytest.mark.req("OUT-15")
def test_every_parameter_and_column_has_an_exact_type(
    described: dict[str, tuple[list[str], dict[str, str]]],
) -> None:
    assert len(described) > 140
    odd = {
        query: {*bound, *columns.values()}
        for query, (bound, columns) in described.items()
        if {each.removeprefix("_") for each in (*bound, *columns.values())} - EXACT.keys()
    }
    assert odd == {}


@pytest.mark.req("OUT-15")
@pytest.mark.parametrize("query", FILLED)
def test_a_row_fits_what_it_becomes(
    query: str, described: dict[str, tuple[list[str], dict[str, str]]]
) -> None:
    made, (_, columns) = FILLED[query], described[query]
    assert is_dataclass(made)
    hints = get_type_hints(made)
    needed = {each.name for each in fields(made)}
    assert columns.keys() == needed
    for name, kind in columns.items():
        exact = _exact(kind)
        if exact is object:
            continue
        assert exact in set(_plain(hints[name])), (name, kind, hints[name])


def _plain(hint: Any) -> Iterator[type]:
    """The classes that a value of this hint can have."""
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        for each in get_args(hint):
            yield from _plain(each)
    elif origin is Literal:
        yield from {type(each) for each in get_args(hint)}
    elif hasattr(hint, "__supertype__"):
        yield from _plain(hint.__supertype__)
    else:
        yield origin or hint


def _bindings() -> Iterator[tuple[str, str, set[str]]]:
    """Place, query and bound names of each call that writes its parameters out."""
    for path, _ in sources.python(*sources.packages() - {"benchmarks"}):
        for node in ast.walk(sources.tree(path)):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="execute"),
                    args=[ast.Call(args=[ast.Constant(value=str() as name)]) as load, *rest],
                ) if sources.dotted(load.func) == "sql.load":
                    query = name.removeprefix("postgres/queries/")
                    bound = rest[0] if rest else ast.Dict(keys=[], values=[])
                    keys = bound.keys if isinstance(bound, ast.Dict) else [None]
                    said = {key.value for key in keys if isinstance(key, ast.Constant)}
                    if query in _queries() and len(said) == len(keys):
                        yield f"{path}:{node.lineno}", query, {str(each) for each in said}


@pytest.mark.req("OUT-15")
def test_what_is_bound_is_what_the_query_asks_for() -> None:
    found = list(_bindings())
    assert len(found) > 80
    wrong = [
        f"{place}: {query} asks for {sorted(needed)}, not for {sorted(bound)}"
        for place, query, bound in found
        if bound != (needed := set(_PARAMETER.findall(_queries()[query])))
    ]
    assert not wrong, "\n" + "\n".join(wrong)
