"""A record at which workers die: its partition halts, the others go on, an operator decides."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time

import pytest

from core.clock import SystemClock, monotonic_seconds
from core.errors import TollbookError
from infra.local.child import Child
from streams.decisions import REJECTED, decide
from streams.lag import PartitionLag, read_lag
from tests.scenarios.derived import all_bytes
from tests.scenarios.traffic import make_event
from tests.scenarios.world import Sender, World

pytestmark = pytest.mark.slow

_POISONED = 1
_RECOVERED_SECONDS = 30.0


def tollbook(world: World, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `tollbook ARGUMENTS` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, "--state-dir", str(world.folder / "state")],
        env={**os.environ, **world.endpoints.as_environment(), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def lag(world: World) -> dict[int, PartitionLag]:
    """The lag by partition."""
    return {part.partition: part for part in read_lag(world.endpoints, SystemClock())}


def worker_that_dies_at(world: World, offset: int) -> Child:
    """A worker that dies whenever it processes that record of the poisoned partition."""
    made = Child(
        "a",
        ["serve", "streams", "--worker-id", "a", "--state-dir", str(world.folder / "state")],
        world.endpoints,
        world.folder,
        {**os.environ, "TOLLBOOK_FAULT": f"record/{_POISONED}/{offset}:1"},
    )
    world.processes.append(made)
    return made


def wait_until_halted(world: World, worker: Child, offset: int) -> None:
    """Restart the worker until it stands still at the record."""
    deadline = monotonic_seconds() + 600
    while (halted := lag(world)[_POISONED].halted_at) is None:
        worker.start()
        assert monotonic_seconds() < deadline, world.logs()
        time.sleep(0.2)
    assert halted == offset


@pytest.mark.req("STR-09")
def test_a_record_at_which_workers_die_halts_its_partition_alone_until_it_is_named(
    world: World, seed: int
) -> None:
    url = world.ingest()
    rng = random.Random(seed)  # no copies: a copy of an event in the record would count instead
    batches = [[make_event(100 * at + n, rng) for n in range(100)] for at in range(80)]
    head = Sender(url, world.api_key, batches[:20], seconds=0.1)
    head.start()
    head.finish()
    offset = min(5, world.log_ends()[_POISONED] - 1)
    worker = worker_that_dies_at(world, offset)
    worker.start()
    rest = Sender(url, world.api_key, batches[20:], seconds=15)
    rest.journal = head.journal
    rest.start()
    wait_until_halted(world, worker, offset)
    deaths = worker.starts - 1
    assert 3 <= deaths <= 6, world.logs()
    journal = rest.finish()

    # All others are counted while this one stands still; so says the command, and so it exits.
    deadline = monotonic_seconds() + _RECOVERED_SECONDS
    while any(part.lag_records for number, part in lag(world).items() if number != _POISONED):
        assert monotonic_seconds() < deadline, world.logs()
        time.sleep(0.3)
    assert worker.alive()
    assert worker.starts == deaths + 1
    stuck = lag(world)[_POISONED]
    assert (stuck.proved, stuck.halted_at) == (offset, offset)
    assert stuck.log_end > offset + 1
    assert "died 3 times in a row" in str(stuck.halted_because)
    assert "tollbook dlq decide" in worker.read_log()
    shown = tollbook(world, "lag", "--max-seconds", "1000000")
    assert shown.returncode == 1
    assert f"HALTED at offset {offset}" in " ".join(shown.stdout.split())
    printed = json.loads(tollbook(world, "lag", "--json").stdout)
    assert [part["halted_at"] for part in printed] == [None, offset, None, None]
    record = json.loads(tollbook(world, "dlq", "show", f"1/{_POISONED}/{offset}", "--json").stdout)
    in_record = int(record["record"]["headers"]["tollbook-events"])

    _refusals(world, offset)
    _check_decision(world, worker, offset)
    report = world.verify()
    assert report.differences == []
    assert report.totals["rejected"] == 1
    assert report.totals["accepted"] == len(journal.first) - in_record

    _check_replays(world, worker, offset, in_record)
    assert world.usage() == journal.recount()


def _check_replays(world: World, worker: Child, offset: int, in_record: int) -> None:
    """A rebuild judges alike; what was in the record is sent once more and counts once."""
    worker.end()
    before = all_bytes(world)
    rebuilt = tollbook(world, "rebuild", "--yes", TOLLBOOK_FAULT=f"record/{_POISONED}/{offset}:1")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert all_bytes(world) == before
    letters = json.loads(tollbook(world, "dlq", "list", "--json").stdout)
    assert [each["position"] for each in letters] == [f"1/{_POISONED}/{offset}"]
    for _ in range(2):
        sent = tollbook(world, "dlq", "replay", f"1/{_POISONED}/{offset}", "--json")
        assert json.loads(sent.stdout) == {"sent": in_record}, sent.stderr
    world.wait_until_proved(worker.start)
    assert world.verify().differences == []


def _refusals(world: World, offset: int) -> None:
    """Only the record that halts can be decided: history never changes."""

    def refused(partition: int, at: int, reason: str = "no") -> str:
        with pytest.raises(TollbookError) as caught:
            decide(world.endpoints, SystemClock(), (1, partition, at), REJECTED, reason, "me")
        return str(caught.value)

    assert "is counted already" in refused(_POISONED, offset - 1)
    assert "is counted already" in refused(0, 0)
    assert f"it is halted at: {offset}" in refused(_POISONED, offset + 1)
    assert "there is no partition 9" in refused(9, 0)
    assert "reason: 1 to 500 characters" in refused(_POISONED, offset, " ")


def _check_decision(world: World, worker: Child, offset: int) -> None:
    where = ("--generation", "1", "--partition", str(_POISONED), "--offset", str(offset))
    decided = tollbook(world, "dlq", "decide", *where, "--reason", "kills the kernel", "--by", "me")
    assert decided.returncode == 0, decided.stderr
    starts = worker.starts
    world.wait_until_proved(lambda: None)
    assert worker.starts == starts, "it went on by itself"
    assert lag(world)[_POISONED].halted_at is None
    again = tollbook(world, "dlq", "decide", *where, "--reason", "no")
    assert "was rejected by me" in again.stderr
    letters = json.loads(tollbook(world, "dlq", "list", "--json").stdout)
    assert [(each["position"], each["reason"]) for each in letters] == [
        (f"1/{_POISONED}/{offset}", "kills the kernel")
    ]
