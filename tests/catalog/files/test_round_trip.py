"""Exported and applied elsewhere, a catalog is the same to the byte; applied again, nothing."""

from __future__ import annotations

import json
import tomllib
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.files.applying import Source, Wish, apply_documents, compare_documents
from catalog.files.document import parse_catalog
from catalog.files.export import catalog_of
from catalog.files.toml_text import toml_of
from cli.catalog_files import read_catalog, write_catalog
from core.clock import ManualClock
from core.ids import TenantId
from db.postgres import Connection, Database
from identity.tenants import ensure_tenant
from tests.catalog.files.catalogs import TOLD, catalogs
from tests.subscriptions.world import NOW

_numbers = count()
_CLOCK = ManualClock(NOW)

_scalars = st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text()
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(document=st.dictionaries(st.text(), _values, max_size=4))
def test_any_document_is_read_back_as_it_was(document: dict[str, Any]) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    text = toml_of(document)
    assert tomllib.loads(text) == document
    assert toml_of(tomllib.loads(text)) == text


def test_every_field_of_an_entry_is_among_the_random_catalogs() -> None:
    for entry, told in TOLD.items():
        assert set(entry.model_fields) == told, f"{entry.__name__}: extend the random catalogs"  # type: ignore[attr-defined]  # all are models


@pytest.fixture
def conn(database: Database) -> Any:
    with database.transaction() as opened:
        yield opened


def new_tenant(conn: Connection) -> TenantId:
    slug = f"tenant-{next(_numbers)}"
    return ensure_tenant(conn, _CLOCK, slug, slug)[0].id


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(document=catalogs())
def test_a_catalog_that_is_exported_makes_the_same_catalog(
    conn: Connection, document: dict[str, Any]
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        with conn.transaction(force_rollback=True):
            here = new_tenant(conn)
            source = Source(parse_catalog(document))
            assert apply_documents(conn, _CLOCK, here, [source], Wish()).differs
            again = compare_documents(conn, _CLOCK, here, [source], Wish(prune=True))
            assert not again.differs, again
            exported = catalog_of(conn, here)
            write_catalog(exported, folder)
            found = compare_documents(conn, _CLOCK, here, read_catalog(folder), Wish(prune=True))
            assert not found.differs, found
        with conn.transaction(force_rollback=True):
            there = new_tenant(conn)
            assert apply_documents(conn, _CLOCK, there, read_catalog(folder), Wish()).differs
            assert toml_of(catalog_of(conn, there)) == toml_of(exported)
    for kind in ("meters", "features", "plans"):
        assert sorted(each["slug"] for each in document[kind]) == [
            each["slug"] for each in exported[kind]
        ]
