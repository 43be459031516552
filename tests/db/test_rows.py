"""Answers of many rows: named tuples, the same values as rows by column name have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import pytest

from db.postgres import Database
from db.rows import read_many

QUERY = """
SELECT
    '018cc251-f400-7629-9685-dc0a34c9c3ba'::uuid AS id, 'Zürich' AS name,
    '2024-03-31 01:59:59.999999+00'::timestamptz AS at, '{a,NULL}'::text[] AS subjects,
    '{"seats": "1.50"}'::jsonb AS quantities, NULL::timestamptz AS ended_at, n AS revision
FROM generate_series(1, %(many)s::integer) AS n
"""


class Known(NamedTuple):
    """As the query answers."""

    id: UUID
    name: str
    at: datetime
    subjects: list[str | None]
    quantities: dict[str, str]
    ended_at: datetime | None
    revision: int


class Swapped(NamedTuple):
    """Two columns the other way round."""

    name: str
    id: UUID


def test_rows_are_what_rows_by_column_name_are(database: Database) -> None:
    values = {"many": 1_000}
    with database.transaction() as conn:
        rows = read_many(conn, QUERY, values, Known)
        plain = conn.execute(QUERY, values).fetchall()
    assert [each._asdict() for each in rows] == plain
    first = rows[0]
    assert first.id == UUID("018cc251-f400-7629-9685-dc0a34c9c3ba")
    assert first.at == datetime(2024, 3, 31, 1, 59, 59, 999_999, tzinfo=UTC)
    assert (first.at.tzinfo, first.ended_at, first.revision) == (UTC, None, 1)
    assert (first.subjects, first.quantities) == (["a", None], {"seats": "1.50"})


def test_no_rows_are_an_empty_list(database: Database) -> None:
    with database.transaction() as conn:
        assert read_many(conn, QUERY, {"many": 0}, Known) == []


@pytest.mark.parametrize("query", ["SELECT 1 AS id, 'a' AS name", "SELECT 'a' AS name"])
def test_columns_that_are_not_the_fields_are_refused(database: Database, query: str) -> None:
    """By position they would be taken for each other, and nobody would see it."""
    with database.transaction() as conn, pytest.raises(TypeError, match="Swapped has"):
        read_many(conn, query, {}, Swapped)
