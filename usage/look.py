"""One look at the ledger: what is proved, and how to plan on it."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from usage.cut import Cut
from usage.plan import Ledger


@dataclass(frozen=True, slots=True)
class Look:
    """What the ledger said at some moment. What it proved stays proved."""

    ledger: Ledger
    cut: Cut


def read_look(client: Client) -> Look:
    """Look at the ledger: one query."""
    table = client.query_arrow(sql.load("clickhouse/queries/ledger_look"))
    rows = pl.DataFrame(pl.from_arrow(table))
    sizes = rows.select("generation", "chunk_records").unique().rows()
    ledger = Ledger(rows, {int(generation): int(size) for generation, size in sizes})
    return Look(ledger, ledger.proved())
