"""One partition's processing: records in, what has to be written out. Pure but for its memory.

A lane starts at a chunk start, or right after the last proved offset of an open chunk. It judges
the records in order, keeps the metered values of the open chunk, and yields a `Flush` for each
step: the total of a chunk is written when the chunk is complete, so a row never is an increment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from catalog.metering.aggregate import CompiledMeters, keep, measure, total
from core.errors import InternalError
from core.generation_end import is_end_marker
from streams.generation import Generation
from streams.index import ACCEPTED, CONFLICT, DUPLICATE, REJECTED, DedupeIndex
from streams.records import DeadRecord, Decoded, Record, decode, key_halves
from streams.voids import (
    COPIED,
    NO_TARGET,
    TARGET_COLUMNS,
    FindTargets,
    is_void,
    judge_voids,
)

COUNTS: Final = ("records", "events", "accepted", "duplicates", "conflicts", "rejected")
_NO_OFFSET: Final = -1


@dataclass(frozen=True, slots=True)
class Flush:
    """What one step writes, in this order: dead letters, conflicts, events, usage, ledger.

    events, conflicts: columns of `Decoded.events`; rejected: the same, with `reason` not null;
    usage: `USAGE_COLUMNS`, run and last_offset UInt64, None where no chunk is complete;
    ledger: run, last_offset, log_time_ms, catalog_version and `COUNTS`. `commit_offset`: the
    start of the open chunk if it moved, or -1. `end_offset`: the offset after the end marker of the
    generation, if that is the last record.
    """

    dead: list[DeadRecord]
    rejected: pl.DataFrame
    conflicts: pl.DataFrame
    events: pl.DataFrame
    usage: pl.DataFrame | None
    ledger: pl.DataFrame
    commit_offset: int
    end_offset: int | None = None


@dataclass(slots=True)
class OpenChunk:
    """The chunk being filled: its run, its catalog, its counts so far and its metered events."""

    run: int
    meters: CompiledMeters
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(COUNTS), np.int64))
    metered: list[pl.DataFrame] = field(default_factory=list)


class Lane:
    """The state of one partition between two steps; `next_offset` is the record it expects.

    `ended`: the end marker of the generation was read, what follows is not part of the log.
    """

    def __init__(
        self,
        generation: Generation,
        partition: int,
        next_offset: int,
        log_time_ms: int,
        index: DedupeIndex,
        meters: CompiledMeters,
        find_targets: FindTargets,
    ) -> None:
        self.generation, self.partition = generation, partition
        self.next_offset, self.log_time_ms = next_offset, log_time_ms
        self._index, self._find_targets = index, find_targets
        self.ended = False
        self._open = OpenChunk(next_offset // generation.chunk_records, meters)
        self._committed = next_offset // generation.chunk_records

    @property
    def catalog_version(self) -> int:
        """Catalog version of the open chunk."""
        return self._open.meters.version

    @property
    def open_counts(self) -> list[int]:
        """`COUNTS` of the open chunk so far."""
        return [int(count) for count in self._open.counts]

    def keys_held(self) -> int:
        """Keys in the dedupe index."""
        return len(self._index)

    def acknowledged(self, flush: Flush) -> None:
        """What a flush wrote is durable: its keys may be kept in local files."""
        chunk = self.generation.chunk_records
        held = flush.events.filter(pl.col("sign") == 1)
        self._index.note(
            held["run"].cast(pl.Int64).to_numpy(),
            key_halves(held["key"]),
            held["content_hash"].to_numpy(),
            held["log_time_ms"].to_numpy(),
        )
        complete = flush.ledger.filter(pl.col("last_offset") == (pl.col("run") + 1) * chunk - 1)
        if len(complete):
            done = dict(complete.select("run", "accepted").rows())
            self._index.prove(max(done) + 1, done)

    def close(self) -> None:
        """Let go of local files, for the next owner of the partition."""
        self._index.close()

    def resume(self, counts: Sequence[int], events: pl.DataFrame) -> None:
        """Take over the head of an open chunk: its counts from the ledger, its accepted events.

        events: generation, partition, offset, row, sign, tenant_id, type, subject, time, data.
        """
        self._open.counts += np.array(counts, np.int64)
        run = pl.lit(self._open.run, pl.UInt64).alias("run")
        measured = measure(events.with_columns(run), self._open.meters)
        self._open.metered.append(keep(measured, "run"))

    def step(self, records: Sequence[Record], meters: CompiledMeters) -> Iterator[Flush]:
        """Process consecutive records; chunks that begin among them take the catalog `meters`.

        Usually one flush; two where the open chunk has an older catalog than the chunks after it.
        Each has to be written before the next one is asked for: a void finds its target in the
        tables.
        """
        if self.ended:
            return
        for at, record in enumerate(records):
            if record.offset != self.next_offset + at:
                raise InternalError(
                    f"partition {self.partition}: expected offset {self.next_offset + at}, got"
                    f" {record.offset}: the log has a gap. Records were deleted before they were"
                    " counted; nothing was skipped: restore the topic"
                )
            if is_end_marker(record.value, self.generation.number):
                records = records[: at + 1]
                break
        chunk = self.generation.chunk_records
        rest = -self.next_offset % chunk  # records until the open chunk is complete
        at_start = rest == 0 and not self._open.counts[0]
        if at_start:
            self._open = OpenChunk(self._open.run, meters)
        cut = 0 if at_start or meters.version == self.catalog_version else rest
        if cut and records[:cut]:
            yield self._process(records[:cut], self._open.meters)
            records = records[cut:]
        if records:
            if cut:
                self._open = OpenChunk(self._open.run, meters)
            yield self._process(records, meters)

    def _process(self, records: Sequence[Record], meters: CompiledMeters) -> Flush:
        chunk, generation = self.generation.chunk_records, self.generation
        decoded = decode(records, self.log_time_ms, self.partition, generation.partitions, meters)
        self.ended = is_end_marker(records[-1].value, generation.number)
        if self.ended:  # a record of the log without events
            dead = [dead for dead in decoded.dead if dead.offset != records[-1].offset]
            decoded = replace(decoded, dead=dead)
        events = decoded.events.with_columns(
            pl.lit(generation.number, pl.UInt16).alias("generation"),
            pl.lit(self.partition, pl.UInt16).alias("partition"),
            run=pl.col("offset") // chunk,
        )
        eligible, voids = events["reason"].is_null(), events.select(is_void()).to_series()
        verdict = pl.Series(
            "verdict",
            self._index.judge(
                key_halves(events["key"]),
                events["content_hash"].to_numpy(),
                events["log_time_ms"].to_numpy(),
                (eligible & ~voids).to_numpy(),
            ),
        )
        if (eligible & voids).any():
            events, verdict = self._judge_voids(events, verdict, eligible & voids, meters)
        accepted = events.filter(verdict == ACCEPTED)
        self.next_offset += len(records)
        self.log_time_ms = int(decoded.log_times_ms[-1])
        ledger = self._ledger(records, decoded, events, verdict, meters.version)
        return Flush(
            decoded.dead,
            events.filter(verdict == REJECTED),
            events.filter(verdict == CONFLICT),
            accepted,
            self._close_chunks(keep(accepted, "run"), meters),
            ledger,
            self._commit_offset(),
            self.next_offset if self.ended else None,
        )

    def _judge_voids(
        self,
        events: pl.DataFrame,
        verdict: pl.Series,
        asked: pl.Series,
        meters: CompiledMeters,
    ) -> tuple[pl.DataFrame, pl.Series]:
        """The same events and verdicts with those of the voids; accepted ones copy their target."""
        voids = events.filter(asked)
        keys = voids["key"].unique()
        here = events.filter((verdict == ACCEPTED) & pl.col("key").is_in(keys.implode()))
        judged = judge_voids(
            voids,
            here.select(TARGET_COLUMNS),
            self._find_targets(keys, self.next_offset),
        )
        found = judged["verdict"] == ACCEPTED
        copies = voids.with_columns(judged.select(COPIED)).filter(found)
        copies = measure(copies.with_columns(sign=pl.lit(-1, pl.Int8)), meters)
        at = asked.arg_true()
        verdict = verdict.scatter(at, judged["verdict"])
        reason = events["reason"].scatter(at.filter(judged["verdict"] == REJECTED), NO_TARGET)
        events = events.with_columns(reason.alias("reason"))
        taken = at.filter(found)
        kept = pl.Series(range(len(events))).is_in(taken.implode())
        rest = events.filter(~kept).with_columns(verdict=verdict.filter(~kept))
        whole = pl.concat(
            [rest, copies.select(events.columns).with_columns(verdict=pl.lit(ACCEPTED, pl.UInt8))]
        ).sort("offset", "row")
        return whole.drop("verdict"), whole["verdict"]

    def _ledger(
        self,
        records: Sequence[Record],
        decoded: Decoded,
        events: pl.DataFrame,
        verdict: pl.Series,
        catalog_version: int,
    ) -> pl.DataFrame:
        """One row per chunk touched: the counts from its start up to the last record."""
        offsets = np.array([record.offset for record in records], np.int64)
        runs = offsets // self.generation.chunk_records
        first, many = int(runs[0]), int(runs[-1] - runs[0]) + 1
        counts = np.zeros((many, len(COUNTS)), np.int64)
        counts[:, 0] = np.bincount(runs - first, minlength=many)
        of_event = events["run"].to_numpy().astype(np.int64) - first
        codes = verdict.to_numpy()
        for column, code in enumerate((ACCEPTED, DUPLICATE, CONFLICT, REJECTED), start=2):
            counts[:, column] = np.bincount(of_event[codes == code], minlength=many)
        for dead in decoded.dead:
            counts[dead.offset // self.generation.chunk_records - first, 5] += 1
        counts[:, 1] = counts[:, 2:].sum(axis=1)
        counts[0] += self._open.counts
        last_of_run = np.searchsorted(runs, np.arange(first, first + many), side="right") - 1
        self._open.counts = counts[-1].copy()
        return pl.DataFrame(
            {
                "run": np.arange(first, first + many, dtype=np.uint64),
                "last_offset": offsets[last_of_run].astype(np.uint64),
                "log_time_ms": decoded.log_times_ms[last_of_run],
                "catalog_version": np.full(many, catalog_version, np.uint32),
                **{name: counts[:, at].astype(np.uint64) for at, name in enumerate(COUNTS)},
            }
        )

    def _close_chunks(self, metered: pl.DataFrame, meters: CompiledMeters) -> pl.DataFrame | None:
        """Total the chunks that are complete now, if any; the events of the open one are kept."""
        chunk = self.generation.chunk_records
        open_run = self.next_offset // chunk
        if open_run == self._open.run:
            self._open.metered.append(metered)
            return None
        whole = pl.concat([*self._open.metered, metered])
        rest = whole.filter(pl.col("run") == open_run)
        counts = self._open.counts if self.next_offset % chunk else None
        self._open = OpenChunk(open_run, meters, metered=[rest])
        if counts is not None:
            self._open.counts = counts
        rows = total(whole.filter(pl.col("run") < open_run), meters, ("run",))
        return rows.with_columns(last_offset=(pl.col("run") + 1) * chunk - 1)

    def _commit_offset(self) -> int:
        if self._open.run == self._committed:
            return _NO_OFFSET
        self._committed = self._open.run
        return self._open.run * self.generation.chunk_records
