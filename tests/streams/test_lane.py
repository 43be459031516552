from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InternalError
from core.events import VOID_TYPE
from streams.index import DedupeIndex
from streams.lane import COUNTS, Flush, Lane
from streams.records import Record, key_halves
from streams.voids import POSITION
from tests.streams.log_oracle import HORIZON_MS, LogRecord, Sent, recount
from tests.streams.logs import (
    METERS,
    START,
    START_MS,
    TENANTS,
    StoredTargets,
    cells_of,
    compiled,
    counts_of,
    generation,
    plain,
    to_records,
    verdicts_of,
)

CHUNK = 3


def void_of(tenant: str, source: str, event_id: str) -> Sent:
    """A void of the event with this source and id."""
    target = f'{{"source":"{source}","id":"{event_id}"}}'
    return Sent(tenant, "corrections", f"void-{source}-{event_id}", VOID_TYPE, "x", START, target)


DATA = ("{}", '{"n":1}', '{"n":0.000000000001}', '{"n":1e15}', '{"n":"x"}', '{"deep":{"n":2.5}}')

plain_events = st.builds(
    Sent,
    tenant=st.sampled_from(TENANTS),
    source=st.sampled_from(["a", "b"]),
    id=st.sampled_from("1234"),
    type=st.sampled_from(["call", "other"]),
    subject=st.sampled_from(["", "s1", "s2"]),
    time=st.integers(-5, 5).map(lambda halves: START + timedelta(minutes=30 * halves)),
    data=st.sampled_from(DATA),
)
voids = st.builds(
    void_of, st.sampled_from(TENANTS), st.sampled_from(["a", "b"]), st.sampled_from("1234")
)
events = st.one_of(plain_events, plain_events, voids)
steps_ms = st.sampled_from([0, 1, 1000, HORIZON_MS - 1, HORIZON_MS, -5000])
logs = st.lists(
    st.tuples(steps_ms, st.one_of(st.none(), st.lists(events, min_size=1, max_size=4).map(tuple))),
    min_size=1,
    max_size=14,
)


def timed(made: list[tuple[int, Any]]) -> list[LogRecord]:
    now, log = START_MS, []
    for step, sent in made:
        now += step
        log.append(LogRecord(now, sent))
    return log


def new_lane(version: int = len(METERS), stored: StoredTargets | None = None) -> Lane:
    find = (stored or StoredTargets()).find
    return Lane(generation(CHUNK), 0, 0, 0, DedupeIndex(HORIZON_MS), compiled(version), find)


def run(log: list[LogRecord], cuts: list[int], version: int = len(METERS)) -> list[Flush]:
    """Step through the log in pieces that end at `cuts`."""
    stored = StoredTargets()
    lane = new_lane(version, stored)
    records: list[Record] = to_records(log)
    flushes: list[Flush] = []
    bounds = sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})
    for start, end in pairwise(bounds):
        flushes += map(stored.write, lane.step(records[start:end], compiled(version)))
    return flushes


@settings(max_examples=40, deadline=None)
@given(logs, st.lists(st.integers(1, 14), max_size=6), st.integers(0, len(METERS)))
def test_any_division_of_the_log_gives_the_recount(
    made: list[tuple[int, Any]], cuts: list[int], version: int
) -> None:
    log = timed(made)
    flushes = run(log, cuts, version)
    truth = recount(log, CHUNK, plain(METERS, version))
    kept = {at: verdict for at, verdict in truth.verdicts.items() if verdict != "duplicates"}
    assert verdicts_of(flushes) == kept
    assert counts_of(flushes) == truth.counts
    complete = {key: cell for key, cell in truth.cells.items() if (key[0] + 1) * CHUNK <= len(log)}
    cells = cells_of(flushes) if any(flush.usage is not None for flush in flushes) else {}
    assert cells == complete


@settings(max_examples=30, deadline=None)
@given(logs.filter(lambda made: len(made) > 1), st.integers(1, 13))
def test_a_lane_that_resumes_inside_a_chunk_ends_like_the_recount(
    made: list[tuple[int, Any]], at: int
) -> None:
    log = timed(made)
    at = min(at, len(log) - 1)
    first = run(log[:at], [])
    targets = StoredTargets()
    stored = pl.concat(targets.write(flush).events for flush in first)
    holding = stored.filter(pl.col("sign") == 1)
    last = first[-1].ledger.row(-1, named=True)
    index = DedupeIndex(HORIZON_MS)
    index.hold(
        key_halves(holding["key"]),
        holding["content_hash"].to_numpy(),
        holding["log_time_ms"].to_numpy(),
    )
    now_ms = last["log_time_ms"]
    lane = Lane(generation(CHUNK), 0, at, now_ms, index, compiled(), targets.find)
    if at % CHUNK:
        columns = (*POSITION, "sign", "tenant_id", "type", "subject", "time", "data")
        of_chunk = stored.filter(pl.col("offset") >= at - at % CHUNK).select(columns)
        lane.resume([last[name] for name in COUNTS], of_chunk)
    rest = list(map(targets.write, lane.step(to_records(log)[at:], compiled())))
    truth = recount(log, CHUNK, plain(METERS, len(METERS)))
    assert counts_of(rest) == {run: row for run, row in truth.counts.items() if run >= at // CHUNK}
    kept = {where for where, verdict in truth.verdicts.items() if verdict != "duplicates"}
    assert set(verdicts_of(rest)) == {where for where in kept if where[0] >= at}
    complete = {
        key: cell for key, cell in truth.cells.items() if at // CHUNK <= key[0] < len(log) // CHUNK
    }
    cells = cells_of(rest) if any(flush.usage is not None for flush in rest) else {}
    assert cells == complete


def one(event_id: str) -> tuple[Sent, ...]:
    return (Sent(TENANTS[0], "a", event_id, "call", "s1", START, '{"n":1}'),)


def test_a_new_catalog_takes_effect_at_the_next_chunk_start() -> None:
    lane = new_lane(version=1)
    records = to_records([LogRecord(START_MS, one(str(n))) for n in range(6)])
    flushes = [*lane.step(records[:2], compiled(1)), *lane.step(records[2:], compiled(2))]
    ledger = pl.concat(flush.ledger for flush in flushes)
    assert ledger.select("run", "catalog_version").unique().sort("run").rows() == [(0, 1), (1, 2)]
    meters = {(run, meter) for run, meter, *_ in cells_of(flushes)}
    assert meters == {(0, str(METERS[0].id)), (1, str(METERS[0].id)), (1, str(METERS[1].id))}


def test_the_commit_follows_complete_chunks_only() -> None:
    lane = new_lane()
    records = to_records([LogRecord(START_MS, one(str(n))) for n in range(7)])
    commits = [
        flush.commit_offset
        for piece in (records[:2], records[2:3], records[3:7])
        for flush in lane.step(piece, compiled())
    ]
    assert commits == [-1, 3, 6]


def test_a_gap_in_the_offsets_stops_the_lane() -> None:
    records = to_records([LogRecord(START_MS, one(str(n))) for n in range(3)])
    with pytest.raises(InternalError, match="expected offset 1, got 2: the log has a gap"):
        list(new_lane().step([records[0], records[2]], compiled()))


def test_a_key_is_held_for_the_horizon_and_not_a_millisecond_longer() -> None:
    log = [
        LogRecord(START_MS, one("1")),
        LogRecord(START_MS + HORIZON_MS, one("1")),
        LogRecord(START_MS + HORIZON_MS + 1, one("1")),
    ]
    counts = counts_of(run(log, [], 1))[0]
    assert (counts["accepted"], counts["duplicates"]) == (2, 1)


def test_a_void_takes_back_the_event_before_it_and_only_once() -> None:
    voiding = void_of(TENANTS[0], "a", "1")
    log = [
        LogRecord(START_MS, (voiding,)),  # nothing to take back yet
        LogRecord(START_MS, (*one("1"), *one("2"), voiding)),
        LogRecord(START_MS, (voiding,)),
    ]
    flushes = run(log, [1, 2])
    counts = counts_of(flushes)[0]
    assert (counts["accepted"], counts["duplicates"], counts["rejected"]) == (3, 1, 1)
    stored = pl.concat(flush.events for flush in flushes)
    (event, void) = stored.filter(pl.col("key") == stored["key"][0]).to_dicts()
    assert (event["sign"], void["sign"]) == (1, -1)
    assert (void["id"], void["source"]) == ("void-a-1", "corrections")
    for name in ("type", "subject", "time", "data", "tenant_id"):
        assert void[name] == event[name]
    rejected = pl.concat(flush.rejected for flush in flushes)
    assert rejected["reason"].to_list() == [
        "data: no earlier event has this source and id; nothing was voided"
    ]


def test_what_comes_again_after_the_horizon_can_be_voided_again() -> None:
    voiding = void_of(TENANTS[0], "a", "1")
    log = [
        LogRecord(START_MS, (*one("1"), voiding)),
        LogRecord(START_MS + HORIZON_MS, (*one("1"), voiding)),
        LogRecord(START_MS + HORIZON_MS + 1, (*one("1"), voiding)),
    ]
    counts = counts_of(run(log, []))[0]
    assert (counts["accepted"], counts["duplicates"]) == (4, 2)
