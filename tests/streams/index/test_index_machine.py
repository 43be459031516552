"""The index against a dict: judged, held, proved, restarted, spilled and expired in any order."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.index import Binding, DedupeIndex, Folder
from tests.streams.index.log_of_keys import ACCEPTED, Event, Oracle

KEYS = st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2, 5, 2**63, 2**64 - 1]))
DAY_MS = 24 * 3600 * 1000


class IndexMachine(RuleBasedStateMachine):
    """Events come in chunks; a restart goes back to the start of the open chunk."""

    @initialize(
        horizon_ms=st.sampled_from([40, 3 * DAY_MS, 60 * DAY_MS]),
        hot_keys_max=st.integers(1, 12),
        seed=st.integers(0, 2**64 - 1),
    )
    def begin(self, horizon_ms: int, hot_keys_max: int, seed: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.horizon_ms, self.hot_keys_max, self.seed = horizon_ms, hot_keys_max, seed
        self.oracle = Oracle(horizon_ms)
        self.accepted: list[Event] = []
        self.older: list[tuple[tuple[int, int], int, int]] = []
        self.open_run, self.now_ms = 0, 1_000
        self.times_of_run: dict[int, int] = {}
        self.index = self.opened()

    def opened(self) -> DedupeIndex:
        binding = Binding("id", 1, 0, 2, self.horizon_ms)
        folder = Folder(Path(self.folder.name))
        return DedupeIndex(self.horizon_ms, self.hot_keys_max, folder, binding, self.seed)

    @rule(
        batch=st.lists(
            st.tuples(KEYS, st.integers(0, 1), st.integers(0, 30), st.booleans()), max_size=30
        ),
        jump_ms=st.sampled_from([0, 0, 0, 1, DAY_MS, 2 * DAY_MS, 20 * DAY_MS]),
    )
    def judge(self, batch: list[tuple[tuple[int, int], int, int, bool]], jump_ms: int) -> None:
        self.now_ms += jump_ms
        events = []
        for key, content, step_ms, ineligible in batch:
            self.now_ms += step_ms
            events.append(Event(self.open_run, key, content, self.now_ms, not ineligible))
        expected = [self.oracle.judge(event) for event in events]
        keys, contents, times = columns(events)
        eligible = np.array([event.eligible for event in events], np.bool_)
        assert self.index.judge(keys, contents, times, eligible).tolist() == expected
        new = [event for event, code in zip(events, expected, strict=True) if code == ACCEPTED]
        self.accepted += new
        keys, contents, times = columns(new)
        self.index.note(np.array([event.run for event in new], np.int64), keys, contents, times)

    @rule(chunks=st.integers(1, 2))
    def complete(self, chunks: int) -> None:
        for _ in range(chunks):
            self.times_of_run[self.open_run] = self.now_ms
            self.index.prove(self.open_run + 1, {self.open_run: self.count(self.open_run)})
            self.open_run += 1

    @rule(key=KEYS, content=st.integers(0, 1), age_ms=st.integers(0, 60))
    def hold_of_an_older_generation(self, key: tuple[int, int], content: int, age_ms: int) -> None:
        since, _ = self.oracle.held.get(key, (-(10**18), 0))
        if since >= self.now_ms - age_ms:
            return
        self.older.append((key, content, self.now_ms - age_ms))
        self.oracle.hold(*self.older[-1])
        self.index.hold(*columns([Event(0, key, content, self.now_ms - age_ms, True)]))

    @rule(same_seed=st.booleans())
    def restart(self, same_seed: bool) -> None:
        self.index.close()
        self.seed = self.seed if same_seed else self.seed ^ 0x5555
        self.index = self.opened()
        for key, content, time_ms in self.older:
            self.index.hold(*columns([Event(0, key, content, time_ms, True)]))
        self.restore()

    def restore(self) -> None:
        since = self.now_ms - self.horizon_ms
        runs = [run for run, time_ms in self.times_of_run.items() if time_ms >= since]
        rows = [(run, self.count(run)) for run in runs]
        proved = pl.DataFrame(rows, {"run": pl.UInt64, "accepted": pl.UInt64}, orient="row")
        first = self.index.restore(proved)
        rest = [event for event in self.accepted if event.run >= first and event.run in runs]
        rest += [event for event in self.accepted if event.run == self.open_run]
        self.index.hold(*columns(rest))
        self.index.note(np.array([event.run for event in rest], np.int64), *columns(rest))
        late = {run: self.count(run) for run in runs if run >= first}
        if late:
            self.index.prove(self.open_run, late)

    def count(self, run: int) -> int:
        return sum(event.run == run for event in self.accepted)

    @invariant()
    def what_it_reaches_is_counted(self) -> None:
        REACHED["cold"] += len(self.index._cold) > 0
        REACHED["hot"] += len(self.index._hot) > 0

    def teardown(self) -> None:
        self.index.close()
        self.folder.cleanup()


REACHED = {"cold": 0, "hot": 0}


def columns(events: list[Event]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([event.key for event in events], np.uint64).reshape(-1, 2),
        np.array([event.content for event in events], np.uint64),
        np.array([event.time_ms for event in events], np.int64),
    )


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_the_machine_reached_both_tiers() -> None:
    assert REACHED["cold"] > 100
    assert REACHED["hot"] > 100
