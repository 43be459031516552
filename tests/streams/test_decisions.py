from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from catalog.metering.aggregate import compile_meters
from core.clock import ManualClock
from core.endpoints import Endpoints
from core.errors import ConflictError, NotFoundError
from db.clickhouse import connect_clickhouse
from streams.decisions import (
    HALTED,
    REJECTED,
    RETRIED,
    Decision,
    DecisionLog,
    decide,
    in_force,
    load_decisions,
)
from streams.lane import COUNTS
from streams.poison import LaneGuard
from streams.records import Record, decode
from streams.step_marks import StepWatch

AT = datetime(2026, 3, 1, tzinfo=UTC)


def decision(what: str, offset: int = 7, seconds: int = 0, partition: int = 0) -> Decision:
    return Decision(1, partition, offset, what, "why", "me", AT + timedelta(seconds=seconds))


def test_a_rejection_is_for_good_and_a_retry_holds_until_the_next_halt() -> None:
    halted, rejected = decision(HALTED), decision(REJECTED, seconds=1)
    assert in_force([halted])[1, 0].halted == {7: halted}
    for history in ([halted, rejected], [rejected, decision(HALTED, seconds=2)]):
        stands = in_force(history)[1, 0]
        assert (list(stands.rejected), list(stands.halted)) == ([7], [])
    retried = decision(RETRIED, seconds=1)
    assert not in_force([halted, retried])[1, 0].halted
    again = decision(HALTED, seconds=2)
    assert in_force([halted, retried, again])[1, 0].halted == {7: again}
    assert (1, 1) not in in_force([halted])


def test_what_a_worker_wrote_is_what_the_next_one_reads(installation: Endpoints) -> None:
    clock = ManualClock(AT)
    log = DecisionLog(installation, 1, "a", clock)
    assert not log.of(2).halted
    log.halt(2, 1 << 39, "died")
    assert log.of(2).halted[1 << 39].decided_by == "worker a"
    other = DecisionLog(installation, 1, "b", clock)
    assert other.of(2).halted == log.of(2).halted
    assert not other.of(1).halted
    assert not DecisionLog(installation, 2, "b", clock).of(2).halted

    clock.advance(timedelta(seconds=1))
    with pytest.raises(ConflictError, match="it is halted at: 549755813888"):
        decide(installation, clock, (1, 2, 5), REJECTED, "no", "me")
    with pytest.raises(NotFoundError, match="no partition 4 of generation 1"):
        decide(installation, clock, (1, 4, 5), REJECTED, "no", "me")
    with pytest.raises(NotFoundError, match="no partition 0 of generation 2"):
        decide(installation, clock, (2, 0, 5), REJECTED, "no", "me")
    made = decide(installation, clock, (1, 2, 1 << 39), RETRIED, " new release ", "me")
    assert made.reason == "new release"
    with pytest.raises(ConflictError, match="it is halted at: nowhere"):
        decide(installation, clock, (1, 2, 1 << 39), REJECTED, "no", "me")

    clock.advance(timedelta(seconds=1))
    log.halt(2, 1 << 39, "died again")
    clock.advance(timedelta(seconds=1))
    decide(installation, clock, (1, 2, 1 << 39), REJECTED, "kills", "me")
    with pytest.raises(ConflictError, match="was rejected by me"):
        decide(installation, clock, (1, 2, 1 << 39), RETRIED, "no", "me")
    client = connect_clickhouse(installation.clickhouse)
    found = [(each.decision, each.reason) for each in load_decisions(client)]
    client.close()
    assert found == [(RETRIED, "new release"), (HALTED, "died again"), (REJECTED, "kills")]
    assert DecisionLog(installation, 1, "b", clock).of(2).rejected[1 << 39].reason == "kills"


def test_the_order_of_decisions_is_not_that_of_clocks(installation: Endpoints) -> None:
    worker, operator = ManualClock(AT + timedelta(minutes=5)), ManualClock(AT)
    log = DecisionLog(installation, 1, "a", worker)
    log.halt(0, 5, "died")
    decide(installation, operator, (1, 0, 5), RETRIED, "try", "me")
    assert not DecisionLog(installation, 1, "b", worker).of(0).halted
    DecisionLog(installation, 1, "c", ManualClock(AT)).halt(0, 5, "died again")
    assert DecisionLog(installation, 1, "b", worker).of(0).halted[5].reason == "died again"


def records(first: int, end: int) -> list[Record]:
    return [Record(offset, 0, b"x") for offset in range(first, end)]


def test_a_lane_stops_before_poison_and_goes_on_once_it_is_named(
    installation: Endpoints, tmp_path: Path
) -> None:
    clock = ManualClock(AT)
    watch = StepWatch(tmp_path, 1)
    guard = LaneGuard(watch, DecisionLog(installation, 1, "a", clock), 0)
    assert guard.admit(records(0, 8)).pieces == [records(0, 8)]
    with pytest.raises(ValueError, match="bug"), watch.step(0, records(5, 6)):
        raise ValueError("bug")
    admitted = guard.admit(records(3, 8))
    assert (admitted.pieces, admitted.halted_at) == ([records(3, 5)], 5)
    assert watch.suspect(0) is None, "it is written down for all workers now"
    assert guard.still_halted(5)
    assert (guard.admit(records(5, 8)).pieces, guard.admit(records(5, 8)).halted_at) == ([], 5)

    # Another worker halts without trying; a partition next to it goes on.
    other = DecisionLog(installation, 1, "b", clock)
    assert LaneGuard(StepWatch(tmp_path / "b", 1), other, 0).admit(records(0, 8)).halted_at == 5
    assert LaneGuard(StepWatch(tmp_path / "b", 1), other, 1).admit(records(0, 8)).halted_at is None
    assert "raised an error" in other.of(0).halted[5].reason

    clock.advance(timedelta(seconds=1))
    decide(installation, clock, (1, 0, 5), REJECTED, "kills", "me")
    fresh = LaneGuard(watch, DecisionLog(installation, 1, "a", clock), 0)
    assert not fresh.still_halted(5)
    admitted = fresh.admit(records(5, 8))
    assert admitted.halted_at is None
    assert [record.rejected for record in admitted.pieces[0]] == ["kills", None, None]
    kept = decode(admitted.pieces[0][:1], 0, 0, 1, compile_meters([], 0)).dead
    assert [(dead.offset, dead.reason, dead.value) for dead in kept] == [(5, "kills", b"x")]


def test_deaths_alone_halt_at_the_third_and_say_so(installation: Endpoints, tmp_path: Path) -> None:
    for deaths in range(1, 4):
        watch = StepWatch(tmp_path, 1)
        step = watch.step(0, records(5, 6))
        step.__enter__()  # the process ends here
        again = StepWatch(tmp_path, 1)
        log = DecisionLog(installation, 1, "a", ManualClock(AT))
        admitted = LaneGuard(again, log, 0).admit(records(4, 7))
        assert admitted.halted_at == (5 if deaths == 3 else None)
    assert "died 3 times in a row" in log.of(0).halted[5].reason


def test_a_mark_left_behind_long_ago_halts_nothing_that_is_counted_by_now(
    installation: Endpoints, tmp_path: Path
) -> None:
    watch = StepWatch(tmp_path, 1)
    with pytest.raises(ValueError, match="bug"), watch.step(0, records(5, 6)):
        raise ValueError("bug")
    names = ("generation", "partition", "level", "run", "last_offset", "catalog_version")
    row = dict(zip(names, (1, 0, 0, 0, 5, 0), strict=True)) | dict.fromkeys(COUNTS, 6)
    client = connect_clickhouse(installation.clickhouse)
    client.insert_arrow("stream_ledger", pa.Table.from_pylist([row | {"log_time": AT}]))
    client.close()
    log = DecisionLog(installation, 1, "a", ManualClock(AT))
    again = StepWatch(tmp_path, 1)
    assert again.suspect(0) is not None
    assert LaneGuard(again, log, 0).admit(records(0, 8)).pieces == [records(0, 8)]
    assert again.suspect(0) is None
    assert not log.of(0).halted
