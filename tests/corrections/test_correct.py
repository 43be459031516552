"""Corrections of a running installation: recounted by hand, killed on the way, taken back."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.clock import monotonic_seconds
from core.period import Period
from corrections.operations import find_operation
from db.postgres import Database
from infra.local.child import Child
from tests.scenarios.traffic import START, make_event
from tests.scenarios.world import World, post

_CORRECTED = Period(START + timedelta(hours=3, minutes=20), START + timedelta(hours=21))
_SUBJECTS = [f"subject-{number}" for number in range(0, 40, 3)]

Event = dict[str, Any]
Usage = dict[tuple[str, str], tuple[Decimal, int]]


def _instant(event: Event) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(event["time"])


def _is_corrected(event: Event) -> bool:
    return event["subject"] in _SUBJECTS and _instant(event) in _CORRECTED


def _recount(events: Iterable[Event]) -> Usage:
    """Requests and tokens of each subject, one event after the other, copies once."""
    quantities: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    unmeterable: defaultdict[tuple[str, str], int] = defaultdict(int)
    seen = set()
    for event in events:
        if (event["source"], event["id"]) in seen:
            continue
        seen.add((event["source"], event["id"]))
        requests, tokens = ("requests", event["subject"]), ("tokens", event["subject"])
        quantities[requests] += 1
        unmeterable[requests] += 0
        value = event["data"]["usage"]["tokens"]
        quantities[tokens] += 0
        if value is None:
            unmeterable[tokens] += 1
        else:
            quantities[tokens] += Decimal(str(value))
    return {cell: (quantity, unmeterable[cell]) for cell, quantity in quantities.items()}


def _fill(world: World, events: list[Event]) -> None:
    url = world.ingest()
    worker = world.worker("w")
    with httpx.Client(timeout=60) as client:
        for start in range(0, len(events), 2000):
            post(client, url, world.api_key, events[start : start + 2000])
    world.wait_until_proved(worker.start)


def _write(path: Path, events: Iterable[Event]) -> Path:
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    return path


def _file(folder: Path, rng: random.Random, count: int) -> tuple[Path, list[Event]]:
    """Events for the corrected part; some bear the ids of events that they replace."""
    made: list[Event] = []
    while len(made) < count:
        event = make_event(len(made), rng) | {"subject": rng.choice(_SUBJECTS)}
        if _is_corrected(event):
            made.append(event)
    return _write(folder / "fix.jsonl", [*made, *made[:50]]), made


def _tollbook(world: World, name: str, *arguments: str) -> Child:
    return world.process(name, "corrections", *arguments)


def _apply(world: World, file: Path, process: str, name: str = "fix") -> Child:
    subjects = [word for subject in _SUBJECTS for word in ("--subjects", subject)]
    return _tollbook(
        world, process, "apply", str(file), "--name", name,
        "--from", _CORRECTED.start.isoformat(), "--to", _CORRECTED.end.isoformat(), *subjects,
    )  # fmt: skip


def _finish(process: Child, seconds: float = 90) -> str:
    deadline = monotonic_seconds() + seconds
    while process.alive():
        assert monotonic_seconds() < deadline, process.read_log()[-2000:]
        time.sleep(0.1)
    return process.read_log()


def _kill_on_the_way(world: World, process: Child) -> None:
    """Kill the process once some of what it does is in the log."""
    before = sum(world.log_ends().values())
    deadline = monotonic_seconds() + 60
    while sum(world.log_ends().values()) < before + 3:
        assert process.alive(), process.read_log()[-2000:]
        assert monotonic_seconds() < deadline
        time.sleep(0.01)
    process.signal(signal.SIGKILL)


@pytest.mark.slow
def test_a_correction_killed_on_the_way_ends_exact_and_its_revert_too(
    world: World, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    events = [make_event(number, rng) for number in range(12_000)]
    _fill(world, events)
    before = world.usage()
    assert before == _recount(events)
    file, news = _file(tmp_path, rng, 6_000)

    _kill_on_the_way(world, _apply(world, file, "killed"))
    done = _finish(_apply(world, file, "again"))
    corrected = sum(map(_is_corrected, events))
    assert f"fix: applied, {corrected} events voided" in done
    world.wait_until_proved(lambda: None)
    after = _recount([event for event in events if not _is_corrected(event)])
    for cell, (quantity, unmeterable) in _recount(news).items():
        more, unread = after.get(cell, (Decimal(0), 0))
        after[cell] = (quantity + more, unmeterable + unread)
    assert _nonzero(world.usage()) == _nonzero(after), seed
    assert "applied" in _finish(_apply(world, file, "third"))
    world.wait_until_proved(lambda: None)
    assert _nonzero(world.usage()) == _nonzero(after), seed
    with Database(world.endpoints.postgres) as db, db.transaction() as conn:
        found = find_operation(conn, world.tenant_id, "fix")
    assert found is not None
    assert (found.state, found.voided_events, found.file_events) == ("applied", corrected, 6_050)

    _kill_on_the_way(world, _tollbook(world, "revert-killed", "revert", "fix"))
    assert "fix: reverted" in _finish(_tollbook(world, "revert-again", "revert", "fix"))
    world.wait_until_proved(lambda: None)
    assert world.usage() == before, seed
    assert "was reverted; take a new name" in _finish(_apply(world, file, "fourth"))
    assert world.verify().differences == []


def _nonzero(usage: Usage) -> Usage:
    """Without the cells that say nothing."""
    return {cell: value for cell, value in usage.items() if value != (Decimal(0), 0)}
