"""Marks that outlive a process, and what the next process makes of them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from core.errors import InternalError
from streams.records import Record
from streams.step_marks import DEATHS_MAX, StepWatch, Suspect

CHILD: Final = """
import os, sys
from pathlib import Path
from typing import NamedTuple
class Record(NamedTuple):
    offset: int
    timestamp_ms: int
    value: bytes | None
    rejected: str | None = None
from streams.step_marks import StepWatch

folder, poison, first, end = Path(sys.argv[1]), *map(int, sys.argv[2:])
watch = StepWatch(folder, 1)
for piece in watch.pieces(0, [Record(offset, 0, None) for offset in range(first, end)]):
    with watch.step(0, piece):
        if any(record.offset == poison for record in piece):
            os.abort()
print("through")
"""


def records(first: int, end: int) -> list[Record]:
    return [Record(offset, 0, None) for offset in range(first, end)]


def offsets(pieces: list[list[Record]]) -> list[list[int]]:
    return [[record.offset for record in piece] for piece in pieces]


def die(folder: Path, poison: int, first: int = 0, end: int = 8) -> int:
    """A process that dies at record `poison`; its exit code."""
    command = [sys.executable, "-c", CHILD, str(folder), str(poison), str(first), str(end)]
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode


def test_three_deaths_at_one_record_alone_make_it_poison(tmp_path: Path) -> None:
    assert die(tmp_path, 5) == -signal.SIGABRT
    assert StepWatch(tmp_path, 1).suspect(0) == Suspect(0, 8, 0)  # the whole step
    for deaths in range(1, DEATHS_MAX + 1):
        assert die(tmp_path, 5) == -signal.SIGABRT
        assert StepWatch(tmp_path, 1).suspect(0) == Suspect(5, 1, deaths)
    watch = StepWatch(tmp_path, 1)
    assert offsets(watch.pieces(0, records(3, 8))) == [[3, 4], [5], [6, 7]]
    watch.forget(0)
    assert StepWatch(tmp_path, 1).suspect(0) is None


def test_what_passed_alone_is_suspected_no_more(tmp_path: Path) -> None:
    die(tmp_path, 5)
    watch = StepWatch(tmp_path, 1)
    pieces = watch.pieces(0, records(0, 10))
    assert offsets(pieces) == [[0], [1], [2], [3], [4], [5], [6], [7], [8, 9]]
    for piece in pieces[:-1]:
        with watch.step(0, piece):
            pass
    assert watch.suspect(0) is None
    assert StepWatch(tmp_path, 1).suspect(0) is None


def test_many_records_are_divided_until_one_stands_alone(tmp_path: Path) -> None:
    assert die(tmp_path, 100, end=128) == -signal.SIGABRT
    watch = StepWatch(tmp_path, 1)
    pieces = watch.pieces(0, records(0, 130))
    assert [len(piece) for piece in pieces] == [8] * 16 + [2]
    assert [piece[0].offset for piece in pieces] == list(range(0, 130, 8))
    for suspect in (Suspect(96, 8, 0), Suspect(100, 1, 1), Suspect(100, 1, 2)):
        assert die(tmp_path, 100, end=128) == -signal.SIGABRT
        assert StepWatch(tmp_path, 1).suspect(0) == suspect
    watch = StepWatch(tmp_path, 1)
    for piece in watch.pieces(0, records(100, 130)):
        with watch.step(0, piece):
            pass
    assert StepWatch(tmp_path, 1).suspect(0) is None


def test_a_death_elsewhere_in_between_starts_the_count_again(tmp_path: Path) -> None:
    die(tmp_path, 5)
    for _ in range(DEATHS_MAX - 1):
        die(tmp_path, 5)
    assert StepWatch(tmp_path, 1).suspect(0) == Suspect(5, 1, DEATHS_MAX - 1)
    die(tmp_path, 3)  # in the step before the suspect
    assert StepWatch(tmp_path, 1).suspect(0) == Suspect(0, 5, 0)
    die(tmp_path, 5)
    assert StepWatch(tmp_path, 1).suspect(0) == Suspect(5, 3, 0)
    die(tmp_path, 5)
    assert StepWatch(tmp_path, 1).suspect(0) == Suspect(5, 1, 1)


def test_a_kill_between_steps_and_while_waiting_for_a_server_counts_for_nothing(
    tmp_path: Path,
) -> None:
    watch = StepWatch(tmp_path, 1)
    with watch.step(0, records(0, 1)):
        assert StepWatch(tmp_path, 1).suspect(0) == Suspect(0, 1, 1)
        watch = StepWatch(tmp_path, 1)
    with watch.step(0, records(0, 1)), watch.outside(0):
        assert StepWatch(tmp_path, 1).suspect(0) is None
    assert StepWatch(tmp_path, 1).suspect(0) is None


def test_an_error_is_counted_where_it_says_something_about_the_record(tmp_path: Path) -> None:
    def fail(error: BaseException, many: int = 1) -> Suspect | None:
        watch = StepWatch(tmp_path, 1)
        watch.forget(0)
        with pytest.raises(type(error)), watch.step(0, records(4, 4 + many)):
            raise error
        return StepWatch(tmp_path, 1).suspect(0)

    assert fail(ValueError("bug"), 3) == Suspect(4, 3, 0)
    bug, memory = fail(ValueError("bug")), fail(MemoryError())
    assert bug is not None
    assert bug.deaths > DEATHS_MAX
    assert memory == Suspect(4, 1, 1)
    assert fail(InternalError("the log has a gap")) is None

    watch = StepWatch(tmp_path, 1)
    with pytest.raises(OSError, match="down"), watch.step(0, records(4, 5)), watch.outside(0):
        raise OSError("down")
    assert StepWatch(tmp_path, 1).suspect(0) is None


@pytest.mark.parametrize("torn", [b"", b"x", b"\xff" * 40, b"\0" * 400])
def test_a_torn_mark_is_no_mark(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / "1-0").write_bytes(torn)
    (tmp_path / "1-x").write_bytes(torn)
    watch = StepWatch(tmp_path, 1)
    assert watch.suspect(0) is None
    with watch.step(0, records(0, 1)):
        assert StepWatch(tmp_path, 1).suspect(0) == Suspect(0, 1, 1)


def test_generations_and_partitions_have_marks_of_their_own(tmp_path: Path) -> None:
    watch = StepWatch(tmp_path, 1)
    with watch.step(0, records(0, 2)), watch.step(3, records(7, 9)):
        assert StepWatch(tmp_path, 2).suspect(0) is None
        again = StepWatch(tmp_path, 1)
    assert (again.suspect(0), again.suspect(3)) == (Suspect(0, 2, 0), Suspect(7, 2, 0))
    again.keep({3})
    assert again.suspect(0) is None
    assert again.suspect(3) is not None


SPIN: Final = """
import sys
from pathlib import Path
from typing import NamedTuple
class Record(NamedTuple):
    offset: int
    timestamp_ms: int
    value: bytes | None
    rejected: str | None = None
from streams.step_marks import StepWatch

watch, offset = StepWatch(Path(sys.argv[1]), 1), 0
print(watch.suspect(0), flush=True)
while True:
    for piece in watch.pieces(0, [Record(offset + at, 0, None) for at in range(16)]):
        with watch.step(0, piece):
            sum(range(20_000 * len(piece)))
    offset += 16
"""


def test_kills_at_random_moments_never_make_poison(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    most = 0
    for _ in range(25):
        child = subprocess.Popen(
            [sys.executable, "-c", SPIN, str(tmp_path)], stdout=subprocess.PIPE, env=os.environ
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        child.kill()
        child.wait()
        child.stdout.close()
        suspect = StepWatch(tmp_path, 1).suspect(0)
        most = max(most, suspect.deaths if suspect else 0)
    assert most < DEATHS_MAX, f"--seed {seed}"
