"""What is emptied, and that the jobs make exactly that again."""

from __future__ import annotations

import random
from contextlib import closing

import pytest

from core.endpoints import Endpoints
from core.errors import ConflictError
from core.levels import ROLL
from db.clickhouse import connect_clickhouse
from streams.rebuild.emptying import Run, empty_usage, forget_chunks, forget_totals, with_ancestors
from streams.rebuild.rebuild import Damage, require_chunks
from streams.rebuild.standing import Span, require_whole_log
from tests.streams.jobs.stored import (
    all_bytes,
    command,
    compacted,
    random_cuts,
    rows,
    set_chunks,
    store,
)
from tests.usage.stored_log import random_log


def test_a_run_belongs_to_one_run_of_each_higher_level() -> None:
    chunk = Run(1, 2, 0, 64**2 + 64 * 3 + 5)
    assert with_ancestors([chunk]) == {
        chunk, Run(1, 2, 1, 64 + 3), Run(1, 2, 2, 1), Run(1, 2, 3, 0),
    }  # fmt: skip
    assert with_ancestors([Run(1, 0, 3, 7)]) == {Run(1, 0, 3, 7)}


def test_damage_is_read_from_what_verify_says() -> None:
    where = {"generation": 1, "partition": 2, "run": 3}
    found = Damage.of(
        [("ledger", where), ("meter_usage", where | {"subject": "a"}),
         ("meter_usage", where | {"level": 1}), ("ledger", where | {"level": 2})]
    )  # fmt: skip
    assert found.chunks == {Run(1, 2, 0, 3)}
    assert found.totals == {Run(1, 2, level, 3) for level in (0, 1, 2)}


def test_chunks_that_the_log_has_lost_are_not_emptied() -> None:
    spans, sizes = {(1, 0): Span(20, 99)}, {1: 10}
    require_chunks([Run(1, 0, 0, 2), Run(1, 0, 0, 9)], spans, sizes)
    with pytest.raises(ConflictError, match=r"lost records of the chunks 1/0/1, 1 in all"):
        require_chunks([Run(1, 0, 0, 2), Run(1, 0, 0, 1)], spans, sizes)


def test_a_log_without_its_beginning_is_not_the_source_of_a_rebuild() -> None:
    require_whole_log({(1, 0): Span(0, 9), (1, 1): Span(0, 0)})
    with pytest.raises(ConflictError, match="1/1 begins at offset 3"):
        require_whole_log({(1, 0): Span(0, 9), (1, 1): Span(3, 9)})


@pytest.fixture
def stored(installation: Endpoints, seed: int) -> Endpoints:
    """Two roll-ups of chunks of one record, compacted."""
    rng = random.Random(seed)
    set_chunks(installation, 1)
    log = random_log(rng, 2 * ROLL + 3)
    store(installation, log, random_cuts(rng, len(log)), 1)
    compacted(installation)
    return installation


def test_totals_that_were_emptied_are_made_again(stored: Endpoints) -> None:
    before = all_bytes(stored)
    with closing(connect_clickhouse(stored.clickhouse)) as client:
        empty_usage(client)
    assert rows(stored, "SELECT count() FROM meter_usage") == [(0,)]
    assert compacted(stored).runs == {0: 2 * ROLL + 3, 1: 2}
    assert all_bytes(stored) == before


def test_only_forgotten_runs_and_what_holds_them_are_made_again(stored: Endpoints) -> None:
    before = all_bytes(stored)
    command(stored, "ALTER TABLE meter_usage UPDATE event_count = 77 WHERE level = 0 AND run = 5")
    command(stored, "ALTER TABLE meter_usage UPDATE event_count = 78 WHERE level = 1 AND run = 1")
    with closing(connect_clickhouse(stored.clickhouse)) as client:
        forget_totals(client, [Run(1, 0, 0, 5), Run(1, 0, 1, 1)])
    assert compacted(stored).runs == {0: 1, 1: 2}
    assert all_bytes(stored) == before


def test_forgotten_chunks_are_gone_with_all_that_holds_them_and_nothing_else(
    stored: Endpoints,
) -> None:
    with closing(connect_clickhouse(stored.clickhouse)) as client:
        forget_chunks(client, [Run(1, 0, 0, 5), Run(1, 0, 0, 9)], {1: 1})
    left = "SELECT level, groupArray(run) FROM (SELECT * FROM {} FINAL ORDER BY run) GROUP BY 1"
    chunks = [run for run in range(2 * ROLL + 3) if run not in {5, 9}]
    assert sorted(rows(stored, left.format("stream_ledger"))) == [(0, chunks), (1, [1])]
    for table, place in (("usage_events", "offset"), ("meter_usage", "level = 0 AND run")):
        gone = f"SELECT count() FROM {table} WHERE {place} IN (5, 9)"
        assert rows(stored, gone) == [(0,)], table
    assert rows(stored, "SELECT count() FROM meter_usage WHERE level = 1 AND run = 0") == [(0,)]
    assert compacted(stored).runs == {}, "a hole is not the jobs' to fill"
