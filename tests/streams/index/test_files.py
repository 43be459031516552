"""Local files that are torn, changed, stale or foreign: never believed, whatever they say."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.errors import InternalError
from streams.index import Binding, DedupeIndex, Folder

HORIZON_MS = 10**9
CHUNKS, CHUNK_KEYS = 12, 40
ACCEPTED, DUPLICATE, CONFLICT = 0, 1, 2
BINDING = Binding("topic", 1, 0, 64, HORIZON_MS)
LEDGER = dict.fromkeys(range(CHUNKS), CHUNK_KEYS)


def chunk(run: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    keys = np.random.default_rng(run).integers(0, 2**64, (CHUNK_KEYS, 2), dtype=np.uint64)
    return keys, keys[:, 0] * np.uint64(3), np.full(CHUNK_KEYS, 1_000 + run, np.int64)


def opened(parent: Path, binding: Binding = BINDING, hot_keys_max: int = 200) -> DedupeIndex:
    return DedupeIndex(HORIZON_MS, hot_keys_max, Folder(parent), binding)


def feed(index: DedupeIndex, first: int, end: int) -> None:
    for run in range(first, end):
        keys, contents, times = chunk(run)
        found = index.judge(keys, contents, times, np.ones(CHUNK_KEYS, np.bool_))
        assert (found == ACCEPTED).all()
        index.note(np.full(CHUNK_KEYS, run, np.int64), keys, contents, times)
        index.prove(run + 1, {run: CHUNK_KEYS})


def proved(ledger: dict[int, int]) -> pl.DataFrame:
    return pl.DataFrame({"run": list(ledger), "accepted": list(ledger.values())})


def restored(index: DedupeIndex, ledger: dict[int, int] = LEDGER) -> int:
    """Restore, and load the rest as ClickHouse would give it."""
    first = index.restore(proved(ledger))
    for run in range(first, CHUNKS):
        index.hold(*chunk(run))
    return first


def check(index: DedupeIndex) -> None:
    """Every key is held with its content; others are not."""
    now = np.full(CHUNK_KEYS, 2_000, np.int64)
    eligible = np.ones(CHUNK_KEYS, np.bool_)
    for run in range(CHUNKS):
        keys, contents, _ = chunk(run)
        assert (index.judge(keys, contents, now, eligible) == DUPLICATE).all()
        assert (index.judge(keys, contents + np.uint64(1), now, eligible) == CONFLICT).all()
        assert (index.judge(keys ^ np.uint64(1), contents, now, eligible) == ACCEPTED).all()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Files of all chunks: some runs, then some segments."""
    index = opened(tmp_path)
    feed(index, 0, CHUNKS)
    index.close()
    found = sorted((tmp_path / "0").glob("[0-9]*"))
    assert {path.suffix for path in found} == {".run", ".segment"}
    return found


def test_whole_files_are_all_that_is_needed(tmp_path: Path, files: list[Path]) -> None:
    index = opened(tmp_path)
    assert restored(index) == CHUNKS
    check(index)
    index.close()


def test_a_second_and_a_third_restart_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    for first in range(0, CHUNKS, 4):
        index = opened(tmp_path)
        ledger = dict.fromkeys(range(first), CHUNK_KEYS)
        assert index.restore(proved(ledger) if ledger else proved({}).cast(pl.Int64)) == first
        feed(index, first, first + 4)
        index.close()
    index = opened(tmp_path)
    assert restored(index) == CHUNKS
    check(index)
    index.close()


@pytest.mark.parametrize("seed", range(30))
def test_one_flipped_bit_anywhere_is_noticed(tmp_path: Path, files: list[Path], seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = files[int(rng.integers(len(files)))]
    data = bytearray(path.read_bytes())
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    index = opened(tmp_path)
    assert restored(index) < CHUNKS
    check(index)
    index.close()


@pytest.mark.parametrize("seed", range(30))
def test_a_torn_file_proves_its_whole_blocks_at_most(
    tmp_path: Path, files: list[Path], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    path = files[int(rng.integers(len(files)))]
    data = path.read_bytes()
    end = int(rng.integers(len(data)))
    path.write_bytes(data[:end] + (bytes(len(data) - end) if seed % 2 else b""))
    index = opened(tmp_path)
    assert restored(index) < CHUNKS
    check(index)
    index.close()


@pytest.mark.parametrize("at", range(CHUNKS))
def test_a_chunk_that_the_ledger_counts_otherwise_is_not_believed(
    tmp_path: Path, files: list[Path], at: int
) -> None:
    index = opened(tmp_path)
    assert index.restore(proved(LEDGER | {at: CHUNK_KEYS + 1})) <= at
    index.close()


@pytest.mark.parametrize("end", range(1, CHUNKS))
def test_chunks_behind_the_ledger_are_not_believed(
    tmp_path: Path, files: list[Path], end: int
) -> None:
    """An accepted event of a chunk that is judged again must not become its own duplicate."""
    index = opened(tmp_path)
    first = index.restore(proved(dict.fromkeys(range(end), CHUNK_KEYS)))
    for run in range(first, end):
        index.hold(*chunk(run))
    feed(index, end, CHUNKS)
    check(index)
    index.close()


@pytest.mark.parametrize(
    "binding",
    [
        Binding("other", 1, 0, 64, HORIZON_MS),
        Binding("topic", 2, 0, 64, HORIZON_MS),
        Binding("topic", 1, 1, 64, HORIZON_MS),
        Binding("topic", 1, 0, 32, HORIZON_MS),
        Binding("topic", 1, 0, 64, HORIZON_MS + 1),
    ],
    ids=["topic", "generation", "partition", "chunk", "horizon"],
)
def test_files_of_another_log_are_not_believed(
    tmp_path: Path, files: list[Path], binding: Binding
) -> None:
    index = opened(tmp_path, binding)
    assert index.restore(proved(LEDGER)) == 0
    index.close()


@pytest.mark.parametrize("gone", range(4))
def test_a_file_that_is_missing_leaves_the_rest_to_clickhouse(
    tmp_path: Path, files: list[Path], gone: int
) -> None:
    files[gone].unlink()
    index = opened(tmp_path)
    assert restored(index) < CHUNKS
    check(index)
    index.close()


def test_two_owners_at_a_time_do_not_see_each_other_s_files(tmp_path: Path) -> None:
    zombie = opened(tmp_path)
    feed(zombie, 0, 6)
    owner = opened(tmp_path)
    assert owner.restore(proved(LEDGER)) == 0
    for run in range(8):
        owner.hold(*chunk(run))
    feed(owner, 8, CHUNKS)
    feed(zombie, 6, 10)
    check(owner)
    owner.close()
    zombie.close()
    index = opened(tmp_path)
    assert restored(index) <= CHUNKS
    check(index)
    index.close()


def test_a_run_that_changes_while_it_is_in_use_ends_the_worker(
    tmp_path: Path, files: list[Path]
) -> None:
    index = opened(tmp_path)
    assert restored(index) == CHUNKS
    run = next(path for path in files if path.suffix == ".run")
    size = run.stat().st_size
    with run.open("r+b") as file:
        file.seek(size - 8 - CHUNK_KEYS * 26)
        file.write(bytes(CHUNK_KEYS * 26))
    with pytest.raises(InternalError, match="changed on disk"):
        check(index)
    index.close()


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """What a full disk does to writers, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 20, 500, 1_100, 2_000, 3_500])
def test_a_full_disk_costs_memory_and_nothing_else(tmp_path: Path, size: int) -> None:
    index = opened(tmp_path)
    feed(index, 0, 3)
    with no_file_larger_than(size):
        feed(index, 3, 9)
    feed(index, 9, CHUNKS)
    check(index)
    index.close()
    index = opened(tmp_path)
    restored(index)
    check(index)
    index.close()


@pytest.mark.parametrize("hot_keys_max", [1, 60, 100, 10_000])
def test_keys_of_other_generations_go_to_disk_without_a_name(
    tmp_path: Path, hot_keys_max: int
) -> None:
    index = opened(tmp_path, hot_keys_max=hot_keys_max)
    for run in (5, 0, 11, 3, 8, 1, 10, 2, 9, 4, 7, 6):
        index.hold(*chunk(run))
    assert (len(index._cold) > 0) == (hot_keys_max < CHUNKS * CHUNK_KEYS)
    assert not list((tmp_path / "0").glob("*.run"))
    assert not list((tmp_path / "0").glob("*.tmp"))
    check(index)
    index.close()


def test_a_full_disk_keeps_keys_of_other_generations_in_memory(tmp_path: Path) -> None:
    index = opened(tmp_path, hot_keys_max=60)
    with no_file_larger_than(100):
        for run in range(CHUNKS):
            index.hold(*chunk(run))
    assert not len(index._cold)
    check(index)
    index.close()


@pytest.mark.parametrize("hot_keys_max", [50, 10_000])
@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("late_ms", [0, 1])
def test_the_horizon_is_exact_in_both_tiers_and_after_a_restart(
    tmp_path: Path, hot_keys_max: int, restart: bool, late_ms: int
) -> None:
    horizon_ms = 5_000
    binding = Binding("topic", 1, 0, 64, horizon_ms)
    index = DedupeIndex(horizon_ms, hot_keys_max, Folder(tmp_path), binding)
    feed(index, 0, CHUNKS)
    if restart:
        index.close()
        index = DedupeIndex(horizon_ms, hot_keys_max, Folder(tmp_path), binding)
        assert index.restore(proved(LEDGER)) == CHUNKS
    assert (len(index._cold) > 0) == (hot_keys_max == 50)
    yes = np.ones(CHUNK_KEYS, np.bool_)
    for run in range(CHUNKS):
        keys, contents, times = chunk(run)
        now = times + horizon_ms + late_ms
        first = index.judge(keys, contents, now, yes)
        assert (first == (ACCEPTED if late_ms else DUPLICATE)).all()
        assert (index.judge(keys, contents, now, yes) == DUPLICATE).all()
    index.close()
