"""The kinds of faults: each does one harm to a lane, and notes it by its name.

A kind leaves the servers and the network well again; a dead worker stays dead until the next one.
"""

from __future__ import annotations

import random
import resource
import signal
import time
from collections.abc import Callable
from typing import Final

from core import faults
from core.clock import monotonic_seconds
from tests.faults.lane import Lane
from tests.faults.workers import ForkedWorker, how

Kind = Callable[[Lane], None]

POINT_SECONDS: Final = 12.0
"""Longest time that an armed worker gets to reach its point."""

SESSION_SECONDS: Final = 6.0
WORKER_POINTS: Final = tuple(
    point
    for point in faults.POINTS
    if not point.startswith(("relay_", "ingest_")) and point not in {"before_end", "after_end"}
)
"""What every worker comes past; the others belong to the switch of generations, the bridge and
ingest."""

_ASSIGNED: Final = r"assigned partitions \[\d"
_FREEZES: Final = (
    "after_step_before_write", "before_events", "after_events", "before_usage", "before_ledger",
    "after_ledger", "after_ack_before_commit",
)  # fmt: skip
_FILE_BYTES: Final = 512
_POISON_STARTS: Final = 8
_POISON_SECONDS: Final = 30.0


def point_of(lane: Lane, point: str, nth: int) -> bool:
    """Start the worker armed with this point; whether it died there, and not by our hand."""
    worker = lane.first
    if worker.alive():
        _die(lane, worker)
    worker.start(f"{point}:{nth}")
    code = worker.wait_ended(POINT_SECONDS)
    if code is None:
        worker.signal(signal.SIGKILL)
        lane.tally.notes[f"{point} not reached in time"] += 1
        code = worker.ended()
    lane.crashed(worker, f"worker {how(code)}")
    return code == faults.EXIT_CODE


def crash_point(point: str) -> Kind:
    """F6, F8, F9: the worker dies at a named point; a point that it missed gets more to do."""

    def die(lane: Lane) -> None:
        lane.tally.faults["F6-F9 crash point"] += 1
        nth = lane.rng.choice((1, 1, 1, 2, 3))
        for _ in range(_POINT_TRIES):
            if point_of(lane, point, nth):
                return
            lane.feed()
            nth = 1

    return die


def kill_worker(lane: Lane) -> None:
    """F6-F9: SIGKILL at a random moment of a worker that just started, or has run for a while."""
    lane.tally.faults["F6-F9 SIGKILL of the worker"] += 1
    lane.ensure(lane.first)
    lane.first.wait_for(_ASSIGNED, lane.rng.choice((0.0, 10.0)))
    time.sleep(lane.rng.uniform(0.0, 1.5))
    if lane.first.alive():
        lane.first.signal(signal.SIGKILL)
    lane.crashed(lane.first, f"worker {how(lane.first.ended())}")


def kill_database(lane: Lane) -> None:
    """F7, F13: the ClickHouse owner dies at a random moment, inside an insert where it can."""
    lane.tally.faults["F7 SIGKILL of ClickHouse"] += 1
    _busy(lane)
    lane.arena.stack.kill("clickhouse")
    lane.tally.crashes["clickhouse killed by SIGKILL"] += 1
    time.sleep(lane.rng.uniform(0, 1))
    lane.arena.stack.start_part("clickhouse")


def kill_broker(lane: Lane) -> None:
    """The broker dies and comes back: the worker waits, or ends and is started again."""
    lane.tally.faults["SIGKILL of Kafka"] += 1
    _busy(lane)
    lane.arena.stack.kill("kafka")
    lane.tally.crashes["kafka killed by SIGKILL"] += 1
    lane.arena.stack.start_part("kafka")


def kill_postgres(lane: Lane) -> None:
    """The catalog's server dies while a worker starts: its copy on disk has to do."""
    lane.tally.faults["SIGKILL of Postgres"] += 1
    lane.arena.stack.kill("postgres")
    lane.tally.crashes["postgres killed by SIGKILL"] += 1
    if lane.first.alive():
        lane.first.signal(signal.SIGKILL)
        lane.crashed(lane.first, f"worker {how(lane.first.ended())}")
    lane.first.start()
    lane.first.wait_for(_ASSIGNED)
    lane.arena.stack.start_part("postgres")


def database_outage(lane: Lane) -> None:
    """F13: ClickHouse cannot be reached for some seconds."""
    seconds = lane.rng.uniform(*lane.outage_seconds)
    lane.tally.faults["F13 ClickHouse cut off"] += 1
    _busy(lane)
    lane.arena.proxies["clickhouse"].cut()
    time.sleep(seconds)
    lane.arena.proxies["clickhouse"].heal()


def broker_outage(lane: Lane) -> None:
    """Kafka cannot be reached for some seconds, or says nothing."""
    seconds = lane.rng.uniform(*lane.outage_seconds)
    lane.tally.faults["Kafka cut off or silent"] += 1
    _busy(lane)
    proxy = lane.arena.proxies["kafka"]
    lane.rng.choice((proxy.cut, proxy.stall))()
    time.sleep(seconds)
    proxy.heal()


def slow_database(lane: Lane) -> None:
    """F13: ClickHouse answers late; then it says nothing at all for a while."""
    lane.tally.faults["F13 ClickHouse slow or silent"] += 1
    proxy = lane.arena.proxies["clickhouse"]
    proxy.delay(lane.rng.uniform(0.02, 0.2))
    _busy(lane)
    time.sleep(1)
    proxy.stall()
    time.sleep(lane.rng.uniform(0.5, 3.0))
    proxy.heal()


def lose_answers(lane: Lane) -> None:
    """F12: the server applies an insert, its answer never comes. F14: many in a row.

    Between a try and its retry other inserts are applied, more than any window of theirs holds.
    """
    many = lane.rng.choice((1, 1, 3, 12))
    lane.tally.faults["F14 answers of many inserts lost" if many > 1 else "F12 answer lost"] += 1
    proxy = lane.arena.proxies["clickhouse"]
    before = proxy.done["answers lost"]
    proxy.lose_answers(many)
    _busy(lane)
    _until(lambda: proxy.done["answers lost"] >= before + many, 5.0)
    lane.tally.notes["answers lost"] += proxy.done["answers lost"] - before
    proxy.heal()


def cut_inserts(lane: Lane) -> None:
    """F7: the connection breaks in the middle of an insert."""
    lane.tally.faults["F7 insert cut in its middle"] += 1
    proxy = lane.arena.proxies["clickhouse"]
    before = proxy.done["inserts cut"]
    proxy.cut_inserts(many := lane.rng.choice((1, 2, 5)))
    _busy(lane)
    _until(lambda: proxy.done["inserts cut"] >= before + many, 5.0)
    lane.tally.notes["inserts cut"] += proxy.done["inserts cut"] - before
    proxy.heal()


def full_disk(lane: Lane) -> None:
    """F13: ClickHouse cannot write any file, so its owner ends; then there is room again."""
    lane.tally.faults["F13 ClickHouse cannot write"] += 1
    pid = lane.arena.stack.pid("clickhouse")
    assert pid is not None
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (_FILE_BYTES, hard))
    _busy(lane)
    _until(lambda: lane.arena.stack.pid("clickhouse") is None, 5.0)
    if lane.arena.stack.pid("clickhouse") is None:
        lane.tally.crashes["clickhouse ended at a failed write"] += 1
        lane.arena.stack.start_part("clickhouse")
    else:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def full_worker_disk(lane: Lane) -> None:
    """The worker cannot write any file of its own."""
    lane.tally.faults["F13 worker cannot write"] += 1
    lane.ensure(lane.first)
    assert lane.first.pid is not None
    _, hard = resource.prlimit(lane.first.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(lane.first.pid, resource.RLIMIT_FSIZE, (_FILE_BYTES, hard))
    time.sleep(lane.rng.uniform(1.0, 3.0))
    if lane.first.alive():
        lane.first.signal(signal.SIGKILL)
    lane.crashed(lane.first, f"worker {how(lane.first.ended())}")


def rebalance(lane: Lane) -> None:
    """F10: a second worker joins in the middle of everything, and leaves, or dies."""
    lane.tally.faults["F10 rebalance"] += 1
    lane.ensure(lane.first)
    second = lane.second
    if second.alive():
        second.signal(signal.SIGKILL)
    second.start()
    second.wait_for(r"assigned partitions \[", 20)
    time.sleep(lane.rng.uniform(0.0, 2.0))
    dies = lane.rng.random() < 0.7
    second.signal(signal.SIGKILL if dies else signal.SIGTERM)
    lane.tally.crashes[f"worker {how(second.ended())}"] += dies


def zombie(lane: Lane) -> None:
    """F11: a worker freezes between two writes, another one takes over, the first one wakes up."""
    lane.tally.faults["F11 zombie"] += 1
    first, second = lane.first, lane.second
    for worker in (first, second):
        if worker.alive():
            worker.signal(signal.SIGKILL)
    first.start(f"{lane.rng.choice(_FREEZES)}:{lane.rng.choice((1, 2))}::stop")
    if not first.wait_reached(POINT_SECONDS):
        lane.tally.notes["zombie frozen anywhere"] += 1
        if first.alive():
            first.signal(signal.SIGSTOP)
    lane.tally.notes["zombies"] += 1
    second.start()
    second.wait_for(_ASSIGNED, SESSION_SECONDS + 10)
    time.sleep(lane.rng.uniform(0.5, 2.0))
    first.signal(signal.SIGCONT)
    time.sleep(lane.rng.uniform(0.5, 3.0))
    _die(lane, lane.rng.choice((first, second)))


def poison(lane: Lane) -> None:
    """F21: workers die at a record until its partition halts; an operator names it, or not."""
    lane.tally.faults["F21 poison"] += 1
    if lane.first.alive():
        _die(lane, lane.first)
    lane.join()
    partition = lane.rng.randrange(lane.shape.partitions)
    offset = lane.log_ends()[partition] - 1
    if offset < 0 or lane.proved().get(partition, 0) > offset:
        lane.tally.notes["no record left to be poison"] += 1
        return
    for _ in range(_POISON_STARTS):
        lane.first.start(f"record/{partition}/{offset}:1")
        if lane.first.wait_for("is halted: workers die at the record", _POISON_SECONDS):
            break
        _die(lane, lane.first)
    lane.tally.notes["poison halted its partition"] += lane.first.alive()
    if lane.first.alive():
        _die(lane, lane.first)
    lane.settle_halt(partition, offset, rejects=lane.rng.random() < 0.5)


def wrong_clock(lane: Lane) -> None:
    """The worker's wall clock jumps by up to a year all the time."""
    lane.tally.faults["clock steps"] += 1
    if lane.first.alive():
        lane.first.signal(signal.SIGKILL)
    lane.first.start(clock_steps=lane.rng.randrange(1 << 30))
    lane.first.wait_for(_ASSIGNED)
    time.sleep(lane.rng.uniform(1.0, 2.0))
    _die(lane, lane.first)


def torn_files(lane: Lane) -> None:
    """F9: the worker's own files are gone, torn, or those of another moment."""
    lane.tally.faults["F9 worker's files torn"] += 1
    if lane.first.alive():
        _die(lane, lane.first)
    files = sorted(path for path in lane.first.data_dir.rglob("*") if path.is_file())
    for path in files:
        ways = ("keep", "delete", "cut", "flip")
        # A mark of a step under way with another number in it blames another record: no fault of
        # an operating system writes that, and it ends at an operator, not in a wrong figure.
        way = lane.rng.choice(ways[:3] if path.parent.name == "steps" else ways)
        if way == "delete":
            path.unlink()
        elif way != "keep":
            content = bytearray(path.read_bytes())
            if way == "cut":
                content = content[: lane.rng.randrange(len(content) + 1)]
            elif content:
                content[lane.rng.randrange(len(content))] ^= 0xFF
            path.write_bytes(content)
        lane.tally.notes[f"file {way}"] += 1
    lane.ensure(lane.first)
    lane.first.wait_for(_ASSIGNED)


def _die(lane: Lane, worker: ForkedWorker) -> None:
    if worker.alive():
        worker.signal(signal.SIGKILL)
    lane.crashed(worker, f"worker {how(worker.ended())}")


def _busy(lane: Lane) -> None:
    """A worker in the middle of its work, at a moment nobody chose."""
    lane.ensure(lane.first)
    lane.first.wait_for(_ASSIGNED)
    time.sleep(lane.rng.uniform(0.0, 1.0))


def _until(condition: Callable[[], bool], seconds: float) -> None:
    while not condition() and seconds > 0:
        time.sleep(0.05)
        seconds -= 0.05


def long_outage(lane: Lane) -> None:
    """F13: ClickHouse cannot be reached for minutes, while the log grows."""
    lane.tally.faults[f"F13 ClickHouse cut off for {lane.long_outage_seconds:.0f} s"] += 1
    _busy(lane)
    lane.arena.proxies["clickhouse"].cut()
    until = monotonic_seconds() + lane.long_outage_seconds
    while monotonic_seconds() < until:
        lane.feed()
        time.sleep(min(20.0, lane.long_outage_seconds / 3))
    lane.arena.proxies["clickhouse"].heal()


_OTHERS: Final[dict[Kind, int]] = {
    kill_worker: 8,
    lose_answers: 8,
    kill_database: 5,
    rebalance: 5,
    zombie: 5,
    cut_inserts: 4,
    torn_files: 4,
    poison: 4,
    wrong_clock: 4,
    database_outage: 4,
    slow_database: 4,
    full_disk: 4,
    full_worker_disk: 4,
    broker_outage: 4,
    kill_broker: 4,
    kill_postgres: 4,
}
_POINT_TIMES: Final = 2
_POINT_TRIES: Final = 3


def deck(seed: int, number: int, size: int) -> list[Kind]:
    """The kinds of round `number`, dealt from shuffled decks: each comes as often as it should."""
    dealt: list[Kind] = []
    for cycle in range((number * size) // len(_DECK), (number * size + size) // len(_DECK) + 1):
        for half in (_DECK[::2], _DECK[1::2]):
            cards = list(half)
            random.Random(f"deck {seed} {cycle} {len(dealt)}").shuffle(cards)
            dealt += cards
    first = number * size % len(_DECK)
    return dealt[first : first + size]


_DECK: Final[tuple[Kind, ...]] = (
    *(card for point in WORKER_POINTS for card in [crash_point(point)] * _POINT_TIMES),
    *(kind for kind, times in _OTHERS.items() for _ in range(times)),
)
"""Of two neighbours one is in the first half of a deck: there every point and kind comes once."""
