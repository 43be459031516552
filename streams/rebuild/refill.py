"""Waiting until a worker has read the log again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from clickhouse_connect.driver.client import Client

import sql

_POLL_SECONDS: Final = 0.5


def await_refill(
    client: Client,
    ends: Mapping[tuple[int, int], int],
    tend: Callable[[], None],
    progress: Callable[[int, int], None],
) -> None:
    """Wait until the ledger covers the log up to `ends`, (generation, partition) -> offset.

    A partition that ends with its generation's marker is covered there. `tend` is called again and
    again: it keeps a worker running, or raises. `progress` is told records done and records in all.
    """
    while True:
        tend()
        covered = {(g, p): int(end) for g, p, end in _rows(client, "ledger_cut")}
        marked = {(g, p): int(end) for g, p, end in _rows(client, "stream_ends")}
        wanted = {part: min(end, marked.get(part, end)) for part, end in ends.items()}
        done = {part: min(end, covered.get(part, 0)) for part, end in wanted.items()}
        progress(sum(done.values()), sum(wanted.values()))
        if done == wanted:
            return
        time.sleep(_POLL_SECONDS)


def _rows(client: Client, name: str) -> list[tuple[int, int, int]]:
    rows = client.query(sql.load(f"clickhouse/queries/{name}")).result_rows
    return [(int(generation), int(partition), int(end)) for generation, partition, end in rows]
