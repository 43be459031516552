"""One file, many processes: nobody's spending is lost or read as another's."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DependencyDownError, InternalError
from core.rate_limits import PARTS
from ingest.limits.buckets import ADMITTED, EVENTS_BURST, MOVED, SHORT, Numbers
from ingest.limits.shared_slots import SLOTS, SharedSlots, words_of

_SPAWN = multiprocessing.get_context("spawn")
_RATE, _BURST = 1, 10


def _lines(*numbers: int) -> Numbers:
    """Owners, each with one event a second and ten at once, and as many bytes."""
    rates = (_RATE, _BURST, _RATE, _BURST)
    return np.array([(-1, *words_of(UUID(int=number)), *rates) for number in numbers])


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[SharedSlots]:
    opened = SharedSlots(tmp_path / "deep" / "limits", slots=4)
    yield opened
    opened.close()


def test_what_one_line_took_another_of_the_owner_sees(slots: SharedSlots) -> None:
    mine, again = _lines(7), _lines(7)
    assert slots.fits(mine, 5, 1, 1) == MOVED
    assert slots.take(mine, 5, 4, 6) == ADMITTED
    assert slots.fits(mine, 5, 7, 1) == slots.take(again, 5, 1, 5) == SHORT
    assert slots.take(again, 5, 6, 4) == ADMITTED
    assert slots.spent(mine, 5) == slots.spent(again, 5) == [10 * PARTS, 10 * PARTS]
    assert slots.spent(mine, 5 + PARTS) == [9 * PARTS, 9 * PARTS]
    assert slots.take(_lines(8), 5, 10, 10) == ADMITTED
    slots.give_back(mine, 5, 6, 99)
    assert slots.spent(again, 5) == [4 * PARTS, 0]


def test_all_lines_are_taken_from_or_none(slots: SharedSlots) -> None:
    assert slots.take(_lines(1), 0, 3, 0) == ADMITTED
    both = _lines(2, 1)
    assert slots.take(both, 0, 8, 0) == SHORT
    assert slots.spent(both, 0) == [0, 0, 3 * PARTS, 0]
    assert slots.take(both, 0, 7, 0) == ADMITTED
    assert slots.spent(both, 0) == [7 * PARTS, 0, 10 * PARTS, 0]


def test_owners_of_one_place_do_not_mix_and_who_rests_makes_room(slots: SharedSlots) -> None:
    owners = [_lines(4 * n + 1) for n in range(4)]
    for many, owner in enumerate(owners, 1):
        assert slots.take(owner, 0, many, 0) == ADMITTED
    spent = [slots.spent(owner, 0)[0] for owner in owners]
    assert spent == [PARTS, 2 * PARTS, 3 * PARTS, 4 * PARTS]
    late = _lines(2)
    with pytest.raises(DependencyDownError, match="more than 4 keys and tenants"):
        slots.take(late, PARTS - 1, 9, 0)
    assert slots.take(late, PARTS, 9, 0) == ADMITTED
    spent = [slots.spent(owner, PARTS)[0] for owner in owners]
    assert spent == [0, PARTS, 2 * PARTS, 3 * PARTS]
    assert slots.take(owners[0], 2 * PARTS, 10, 0) == ADMITTED  # it takes the next that rests
    assert slots.spent(late, PARTS) == [9 * PARTS, 0]


def test_what_was_written_before_the_machine_started_counts_no_more(slots: SharedSlots) -> None:
    late, early = 10**15, 10**12
    assert slots.take(_lines(1), late, 10, 0) == ADMITTED
    assert slots.take(_lines(1), late - PARTS, 1, 0) == SHORT
    assert slots.take(_lines(1), early, 10, 0) == ADMITTED
    assert slots.take(_lines(1), early, 1, 0) == SHORT


def test_the_file_is_small_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    SharedSlots(path).close()
    status = path.stat()
    assert (status.st_size, status.st_mode & 0o777) == (SLOTS * 64, 0o600)
    assert status.st_blocks * 512 < 2**20


def test_a_file_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    (tmp_path / "limits").mkdir()
    with pytest.raises(InternalError, match=r"rate limits: .*limits cannot be used"):
        SharedSlots(tmp_path / "limits")


@given(numbers=st.lists(st.integers(1, 2**128 - 1) | st.integers(1, 9), max_size=40))
def test_each_owner_has_what_it_took(
    numbers: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "slots-of-an-example"
    slots = SharedSlots(path, slots=64)
    path.unlink()
    admitted = [n for n in numbers if slots.take(_lines(n), 0, 1, 0) == ADMITTED]
    for number in set(numbers):
        assert admitted.count(number) == min(_BURST, numbers.count(number))
        assert slots.fits(_lines(number), 0, 1, 0) == MOVED
    slots.close()


def _take_one_by_one(path: Path, times: int) -> None:
    slots, lines = SharedSlots(path), _lines(5)
    lines[0, EVENTS_BURST] = 10**6
    for _ in range(times):
        with slots.locked():
            assert slots.take(lines, 0, 1, 0) == ADMITTED
    slots.close()


def _die_with_the_lock(path: Path) -> None:
    slots = SharedSlots(path)
    slots.lock()
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_take_turns_and_one_that_dies_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    doomed = _SPAWN.Process(target=_die_with_the_lock, args=(path,))
    doomed.start()
    doomed.join(60)
    assert doomed.exitcode == -signal.SIGKILL
    others = [_SPAWN.Process(target=_take_one_by_one, args=(path, 2_000)) for _ in range(2)]
    for process in others:
        process.start()
    for process in others:
        process.join(120)
        assert process.exitcode == 0
    slots, lines = SharedSlots(path), _lines(5)
    slots.find(lines, 0)
    lines[0, EVENTS_BURST] = 10**6
    assert slots.spent(lines, 0) == [4_000 * PARTS, 0]
    slots.close()
