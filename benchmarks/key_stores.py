"""`python -m benchmarks.key_stores STORE KEYS`: one store of keys in a process of its own.

Batches of 65,536 events, one in a hundred a copy of an event of some batch before. Each store says
of each event whether its key is new; the index also compares contents and keeps a time, which the
others do not. Only the store's own work is timed. Prints one JSON object.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import psutil
import typer
import xxhash

from benchmarks.errors import BenchmarkError
from core.clock import monotonic_seconds
from streams.index import ACCEPTED, DedupeIndex

BATCH: Final = 1 << 16
COPIES: Final = BATCH // 100
HORIZON_MS: Final = 35 * 24 * 3600 * 1000
_WARM_KEYS: Final = 4 * BATCH
_SET_BYTES_A_KEY: Final = 140
_BLOOM_BITS: Final = 10

Keys = npt.NDArray[np.uint64]
Store = Callable[[Keys], npt.NDArray[np.bool_]]
"""Takes the keys (n, 2) of a batch; says which of them are new, and holds those."""


def batch_keys(number: int, seed: int = 1) -> Keys:
    """The keys of a batch: new ones, and behind them copies of an earlier batch."""
    fresh = _fresh(number, seed)
    if number == 0:
        return fresh
    rng = np.random.default_rng((seed, number, 1))
    earlier = _fresh(int(rng.integers(number)), seed)
    return np.concatenate((fresh[COPIES:], earlier[rng.integers(COPIES, BATCH, COPIES)]))


def _fresh(number: int, seed: int) -> Keys:
    rng = np.random.default_rng((seed, number))
    return rng.integers(0, 2**64, (BATCH, 2), dtype=np.uint64)


def open_index(keys: int, _folder: Path) -> Store:
    """The dedupe index, all in memory, told how many keys it is meant for."""
    index, count = DedupeIndex(HORIZON_MS, keys), 0

    def new(batch: Keys) -> npt.NDArray[np.bool_]:
        nonlocal count
        count += 1
        times = np.full(len(batch), count, np.int64)
        verdicts = index.judge(batch, batch[:, 1].copy(), times, _ALL)
        return np.equal(verdicts, ACCEPTED)

    return new


def open_set(keys: int, _folder: Path) -> Store:
    """A Python set of 16-byte strings."""
    if psutil.virtual_memory().available < keys * _SET_BYTES_A_KEY:
        raise BenchmarkError(f"a set of {keys:,} keys does not fit in this machine's memory")
    held: set[bytes] = set()

    def new(batch: Keys) -> npt.NDArray[np.bool_]:
        found = np.ones(len(batch), np.bool_)
        for at, key in enumerate(batch.view("V16").ravel().tolist()):
            if key in held:
                found[at] = False
            else:
                held.add(key)
        return found

    return new


def open_rocksdict(_keys: int, folder: Path) -> Store:
    """RocksDB with a Bloom filter and no log; one look-up and one write a batch."""
    from rocksdict import BlockBasedOptions, Options, Rdict, WriteBatch, WriteOptions

    table = BlockBasedOptions()
    table.set_bloom_filter(_BLOOM_BITS, block_based=False)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(table)
    options.increase_parallelism(2)
    held = Rdict(str(folder / "rocks"), options)
    without_log: Any = WriteOptions()  # its types know no attributes
    without_log.disable_wal = True

    def new(batch: Keys) -> npt.NDArray[np.bool_]:
        keys = batch.view("V16").ravel().tolist()
        found = np.array([value is None for value in held.get(keys) or ()], np.bool_)
        writes, seen = WriteBatch(raw_mode=True), set()
        for at in np.flatnonzero(found).tolist():
            if keys[at] in seen:
                found[at] = False
            else:
                seen.add(keys[at])
                writes.put(keys[at], b"")
        held.write(writes, without_log)
        return found

    return new


STORES: Final[dict[str, Callable[[int, Path], Store]]] = {
    "index": open_index,
    "set": open_set,
    "rocksdict": open_rocksdict,
}
_ALL: Final = np.ones(BATCH, np.bool_)


def run_store(name: str, keys: int, folder: Path) -> dict[str, object]:
    """Feed a store; rates by wall clock and by this process's CPU, memory, and what it said."""
    warm = STORES[name](_WARM_KEYS, folder / "warm")
    for number in range(_WARM_KEYS // BATCH):
        warm(batch_keys(number, seed=2))
    del warm
    process = psutil.Process()
    before = process.memory_info().rss
    store, said = STORES[name](keys, folder), xxhash.xxh3_64()
    seconds, cpu_seconds, new = [], 0.0, 0
    for number in range(-(-keys // BATCH)):
        batch = batch_keys(number)
        cpu, began = process.cpu_times(), monotonic_seconds()
        found = store(batch)
        seconds.append(monotonic_seconds() - began)
        after = process.cpu_times()
        cpu_seconds += after.user + after.system - cpu.user - cpu.system
        said.update(np.packbits(found).data)
        new += int(found.sum())
    events = len(seconds) * BATCH
    return {
        "store": name,
        "events": events,
        "keys": new,
        "verdicts": said.hexdigest(),
        "seconds": round(sum(seconds), 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "events_per_second": round(events / sum(seconds)),
        "events_per_cpu_second": round(events / max(cpu_seconds, 1e-9)),
        "pause_seconds_max": round(max(seconds), 4),
        "bytes_per_key": round((process.memory_info().rss - before) / new, 1),
    }


def main(
    store: Annotated[str, typer.Argument(help=f"One of {', '.join(STORES)}.")],
    keys: Annotated[int, typer.Argument(help="How many events.")],
) -> None:
    """Measure one store."""
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-") as folder:
        (Path(folder) / "warm").mkdir()
        print(json.dumps(run_store(store, keys, Path(folder))))


if __name__ == "__main__":
    typer.run(main)
