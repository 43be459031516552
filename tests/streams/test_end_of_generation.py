"""What a lane makes of an end marker, and the carrier of what follows it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock
from core.endpoints import Endpoints
from core.envelope import decode_envelope
from core.errors import ConflictError
from core.generation_end import end_marker
from db.clickhouse import connect_clickhouse
from streams.carrier import CarryConverter
from streams.index import DedupeIndex
from streams.lane import Flush, Lane
from streams.ledger import load_ledger
from streams.older_keys import OlderKeys
from streams.records import Record
from streams.relay import Relayed
from streams.runner import open_lane
from streams.settings import StreamSettings
from streams.sink import Sink
from tests.streams.log_oracle import HORIZON_MS, Sent
from tests.streams.logs import (
    START,
    START_MS,
    TENANTS,
    StoredTargets,
    compiled,
    counts_of,
    envelope,
    generation,
)

CHUNK = 4


def log(events: int, behind: int) -> list[Record]:
    """A partition with its marker after some events, and more of them behind it."""
    values = [
        envelope((Sent(TENANTS[0], "a", str(number), "call", "s1", START, "{}"),))
        for number in range(events + behind)
    ]
    values.insert(events, end_marker(1))
    return [Record(at, START_MS, value) for at, value in enumerate(values)]


def run(records: list[Record], cut: int) -> tuple[Lane, list[Flush]]:
    lane = Lane(
        generation(CHUNK), 0, 0, 0, DedupeIndex(HORIZON_MS), compiled(), StoredTargets().find
    )
    flushes = []
    for piece in (records[:cut], records[cut:]):
        if piece:
            flushes += list(lane.step(piece, compiled()))
    return lane, flushes


@given(st.integers(0, 9), st.integers(0, 5), st.integers(0, 15))
def test_the_marker_is_the_last_record_and_no_event(events: int, behind: int, cut: int) -> None:
    lane, flushes = run(log(events, behind), cut)
    assert lane.ended
    assert lane.next_offset == events + 1
    assert [flush.end_offset for flush in flushes if flush.end_offset] == [events + 1]
    counts = counts_of(flushes).values()
    assert sum(row["records"] for row in counts) == events + 1
    assert sum(row["accepted"] for row in counts) == events
    assert sum(row["events"] for row in counts) == events
    assert not [dead for flush in flushes for dead in flush.dead]


@pytest.mark.parametrize(
    ("events", "start"), [(2, 0), (3, 4), (6, 4), (7, 8)], ids=["in", "fills", "in-2", "fills-2"]
)
def test_what_is_behind_a_marker_is_not_counted_after_a_restart(
    installation: Endpoints, tmp_path: Path, events: int, start: int
) -> None:
    records, bound, stop = log(events, 5), generation(CHUNK), threading.Event()
    sink, client = Sink(installation, bound), connect_clickhouse(installation.clickhouse)
    _, flushes = run(records, 2)
    for flush in flushes:
        sink.write(0, flush, stop)
    assert load_ledger(client, bound, 0).start(0) == start
    lane = open_lane(
        StreamSettings(installation, "a", tmp_path), bound, 0, start, compiled(),
        StoredTargets().find, OlderKeys(bound), START_MS, stop,
    )  # fmt: skip
    again = list(lane.step(records[start:], compiled()))
    lane.close()
    assert lane.ended
    assert [flush.end_offset for flush in again] == ([] if start > events else [events + 1])
    sink.close()
    client.close()


def test_a_marker_of_another_generation_is_no_envelope() -> None:
    lane, flushes = run([Record(0, START_MS, end_marker(2))], 1)
    assert not lane.ended
    assert [dead.offset for flush in flushes for dead in flush.dead] == [0]


def carry_converter(now: datetime) -> CarryConverter:
    return CarryConverter(Endpoints("k", "c", "p"), generation(CHUNK, 3), ManualClock(now))


def test_what_may_have_been_carried_over_beyond_the_horizon_is_not_carried_again() -> None:
    horizon = timedelta(seconds=generation().horizon_seconds)
    recognised = START + horizon - timedelta(days=1)
    carry_converter(recognised).check_age("usage.events", START_MS)
    with pytest.raises(ConflictError, match="behind its end that are 34 days old"):
        carry_converter(recognised + timedelta(seconds=1)).check_age("usage.events", START_MS)


@pytest.mark.parametrize("value", [b"no envelope", None], ids=["bytes", "tombstone"])
def test_what_is_behind_a_marker_is_carried_over_as_it_is(value: bytes | None) -> None:
    converter, relayed = carry_converter(START), Relayed()
    event = envelope((Sent(TENANTS[0], "a", "1", "call", "s1", START, '{"n": 1}'),))
    for record in (end_marker(1), event, end_marker(2), value):
        converter.add(relayed, 1, 7, record)
    assert [batch.equals(decode_envelope(event)) for batch in relayed.batches] == [True]
    assert relayed.raw == [(1, end_marker(2), []), (1, value, [])]
