"""`python -m tests.streams.index.many_keys`: so many keys through one index, each verdict checked.

Keys are drawn chunk by chunk from seeds, so that any chunk can be drawn again: one event in a
hundred is a copy of an earlier one, one of those with other content. Prints figures as JSON; exits
with 1 at the first wrong verdict, or before it begins where the disk is too small.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import psutil
import typer

from core.clock import monotonic_seconds
from streams.index import Binding, DedupeIndex, Folder

CHUNK_KEYS = 1 << 16
BILLION = 1_000_000_000
DAY_MS = 24 * 3600 * 1000
HORIZON_MS = 35 * DAY_MS
DISK_BYTES_A_KEY = 28  # runs, and the segments that are not runs yet
DISK_BYTES_MORE = 2 << 30
ACCEPTED, DUPLICATE, CONFLICT = 0, 1, 2


@dataclass
class Figures:
    """What is printed."""

    keys: int = 0
    rss_bytes: int = 0
    rss_before_bytes: int = 0
    disk_bytes: int = 0
    keys_on_disk: int = 0
    seconds: float = 0.0
    judge_seconds_max: float = 0.0
    restore_seconds: float = 0.0
    restored_keys: int = 0


class Wrong(Exception):  # noqa: N818 - the finding of a check
    """A verdict that differs."""


def drawn(chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys and contents of a chunk."""
    keys = np.random.default_rng(chunk).integers(0, 2**64, (CHUNK_KEYS, 2), dtype=np.uint64)
    return keys, keys[:, 0] ^ np.uint64(0x5555)


def feed(
    index: DedupeIndex, chunk: int, time_ms: int, figures: Figures, rng: np.random.Generator
) -> None:
    """Judge a chunk with copies of an earlier one behind it, check, note and prove it."""
    keys, contents = drawn(chunk)
    times = np.full(len(keys), time_ms, np.int64)
    copies = CHUNK_KEYS // 100 if chunk else 0
    if copies:
        old_keys, old_contents = drawn(int(rng.integers(0, chunk)))
        chosen = rng.integers(0, CHUNK_KEYS, copies)
        other = (np.arange(copies) % 100 == 0).astype(np.uint64)
        all_keys = np.concatenate((keys, old_keys[chosen]))
        all_contents = np.concatenate((contents, old_contents[chosen] + other))
        expected = np.concatenate((np.full(CHUNK_KEYS, ACCEPTED), DUPLICATE + other))
    else:
        all_keys, all_contents, expected = keys, contents, np.full(CHUNK_KEYS, ACCEPTED)
    began = monotonic_seconds()
    found = index.judge(
        all_keys, all_contents, np.full(len(all_keys), time_ms, np.int64),
        np.ones(len(all_keys), np.bool_),
    )  # fmt: skip
    figures.judge_seconds_max = max(figures.judge_seconds_max, monotonic_seconds() - began)
    if (found != expected).any():
        at = int(np.flatnonzero(found != expected)[0])
        raise Wrong(f"chunk {chunk}, event {at}: verdict {found[at]}, expected {expected[at]}")
    index.note(np.full(len(keys), chunk, np.int64), keys, contents, times)
    index.prove(chunk + 1, {chunk: len(keys)})


def main(
    folder: Annotated[Path, typer.Option(help="Where the files go; it is emptied before.")],
    keys: Annotated[int, typer.Option(help="How many keys.")] = 1_000_000_000,
    hot_keys_max: Annotated[int, typer.Option(help="How many of them in memory.")] = 32_000_000,
) -> None:
    """Feed, restart from local files, ask again, let everything expire."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    needed = keys * DISK_BYTES_A_KEY + DISK_BYTES_MORE
    free = shutil.disk_usage(folder).free
    if free < needed:
        typer.echo(f"error: {folder} has {free:,} bytes free; {needed:,} are needed", err=True)
        raise typer.Exit(1)
    try:
        figures = run(folder, keys, hot_keys_max)
    except Wrong as wrong:
        typer.echo(f"error: {wrong}", err=True)
        raise typer.Exit(1) from wrong
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    typer.echo(json.dumps(vars(figures)))


def run(folder: Path, keys: int, hot_keys_max: int) -> Figures:
    """All of it; raises `Wrong`."""
    chunks = -(-keys // CHUNK_KEYS)
    figures, rng = Figures(chunks * CHUNK_KEYS), np.random.default_rng(1)
    step_ms = (HORIZON_MS - 1) // max(chunks, BILLION // CHUNK_KEYS)  # as many keys a day as there
    binding = Binding("id", 1, 0, 64, HORIZON_MS)
    warm(folder / "warm")
    process = psutil.Process()
    figures.rss_before_bytes = process.memory_info().rss
    index = DedupeIndex(HORIZON_MS, hot_keys_max, Folder(folder / "log"), binding)
    began = monotonic_seconds()
    for chunk in range(chunks):
        feed(index, chunk, chunk * step_ms, figures, rng)
        if chunk % 8 == 0:
            figures.rss_bytes = max(figures.rss_bytes, process.memory_info().rss)
            tell(chunk, chunks, figures, began)
    figures.seconds = monotonic_seconds() - began
    runs = list((folder / "log").glob("*/*.run"))
    figures.disk_bytes = sum(path.stat().st_size for path in runs)
    figures.keys_on_disk = len(index._cold)
    index.close()
    began = monotonic_seconds()
    index = DedupeIndex(HORIZON_MS, hot_keys_max, Folder(folder / "log"), binding)
    proved = pl.DataFrame({"run": range(chunks), "accepted": [CHUNK_KEYS] * chunks})
    first = index.restore(proved)
    figures.restore_seconds = monotonic_seconds() - began
    figures.restored_keys = len(index)
    if first != chunks:
        raise Wrong(f"local files prove the chunks before {first} only, of {chunks}")
    ask_again(index, rng, chunks, (chunks - 1) * step_ms, DUPLICATE)
    figures.rss_bytes = max(figures.rss_bytes, process.memory_info().rss)
    ask_again(index, rng, chunks, (chunks - 1) * step_ms + HORIZON_MS + 1, ACCEPTED)
    if list((folder / "log").glob("*/*.run")):
        raise Wrong("runs that expired are still on disk")
    index.close()
    return figures


def warm(folder: Path) -> None:
    """Load the compiled loops, so that their memory counts before."""
    binding = Binding("warm", 1, 0, 64, HORIZON_MS)
    index = DedupeIndex(HORIZON_MS, CHUNK_KEYS, Folder(folder), binding)
    rng = np.random.default_rng(2)
    for chunk in range(6):
        feed(index, chunk, chunk, Figures(), rng)
    index.close()
    index = DedupeIndex(HORIZON_MS, CHUNK_KEYS, Folder(folder), binding)
    index.restore(pl.DataFrame({"run": range(6), "accepted": [CHUNK_KEYS] * 6}))
    index.close()


def ask_again(
    index: DedupeIndex, rng: np.random.Generator, chunks: int, time_ms: int, expected: int
) -> None:
    """Events of chunks all over the log once more."""
    asked = np.unique(rng.integers(0, chunks, 20)).tolist()
    for chunk in asked:
        keys, contents = drawn(chunk)
        chosen = rng.permutation(CHUNK_KEYS)[:2_000]
        found = index.judge(
            keys[chosen], contents[chosen], np.full(len(chosen), time_ms, np.int64),
            np.ones(len(chosen), np.bool_),
        )  # fmt: skip
        if (found != expected).any():
            raise Wrong(f"chunk {chunk} asked again: not all verdicts are {expected}")


def tell(chunk: int, chunks: int, figures: Figures, began: float) -> None:
    """Progress, where a person looks on."""
    if sys.stderr.isatty() or chunk % 512 == 0:
        rate = chunk * CHUNK_KEYS / max(monotonic_seconds() - began, 1e-9)
        typer.echo(
            f"{chunk / chunks:4.0%} {chunk * CHUNK_KEYS:,} keys, {rate:,.0f} a second,"
            f" {figures.rss_bytes / 1e9:.2f} GB in memory",
            err=True,
        )


if __name__ == "__main__":
    typer.run(main)
