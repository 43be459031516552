"""Answers of thousands of rows: as named tuples, sent in binary.

A dict for each row, and a text for each of its timestamps, cost more than what is done with them
once there are a million.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from psycopg.rows import tuple_row

from db.postgres import Connection

_Row = TypeVar("_Row", bound=NamedTuple)


def read_many(
    conn: Connection, query: str, values: Mapping[str, Any], row: type[_Row]
) -> list[_Row]:
    """All rows of an answer; its columns are the fields of `row`, in their order.

    Raises `TypeError` where they are not.
    """
    with conn.cursor(binary=True, row_factory=tuple_row) as cursor:
        cursor.execute(query, values)
        columns = tuple(column.name for column in cursor.description or ())
        if columns != row._fields:
            raise TypeError(f"{row.__name__} has {row._fields}, the query answers {columns}")
        # All at once: going through a cursor row by row costs several times as much.
        return list(map(row._make, cursor.fetchall()))
