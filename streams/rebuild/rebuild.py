"""The derived tables dropped, after it was made sure that they can be made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from core.endpoints import Endpoints
from core.errors import ConflictError
from db.clickhouse import connect_clickhouse
from streams.generation import Generation, load_generations
from streams.rebuild.emptying import (
    Run,
    empty_everything,
    empty_usage,
    forget_chunks,
    forget_totals,
)
from streams.rebuild.standing import Span, log_spans, require_no_workers, require_whole_log

Ends = dict[tuple[int, int], int]
"""(generation, partition) -> the offset up to which a worker has to read again."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What `tollbook verify` found: chunks with other events than proved, runs with other totals.

    `chunks` are runs of level 0.
    """

    chunks: set[Run] = field(default_factory=set)
    totals: set[Run] = field(default_factory=set)

    @classmethod
    def of(cls, differences: Iterable[tuple[str, Mapping[str, object]]]) -> Damage:
        """From what differs (`ledger`, `usage_events` or `meter_usage`) and the cell where."""
        found = cls()
        for what, cell in differences:
            run = Run(*(int(str(cell.get(name, 0))) for name in Run._fields))
            of_events = what != "meter_usage" and run.level == 0
            (found.chunks if of_events else found.totals).add(run)
        return found


def drop_everything(endpoints: Endpoints) -> Ends:
    """Empty everything that comes from the log; a worker makes it again, up to the ends returned.

    Raises `ConflictError`, with nothing changed, while workers run or where the log does not reach
    back to its beginning.
    """
    with closing(connect_clickhouse(endpoints.clickhouse)) as client:
        spans = log_spans(endpoints, _generations(load_generations(client)))
        require_whole_log(spans)
        require_no_workers(endpoints)
        empty_everything(client)
    return {part: span.end for part, span in spans.items() if span.end}


def drop_usage(endpoints: Endpoints) -> None:
    """Empty all totals; the jobs make them again from the events.

    Raises `ConflictError`, with nothing changed, while workers run.
    """
    with closing(connect_clickhouse(endpoints.clickhouse)) as client:
        _generations(load_generations(client))
        require_no_workers(endpoints)
        empty_usage(client)


def drop_damaged(endpoints: Endpoints, damage: Damage) -> Ends:
    """Empty what is damaged and all that was made of it.

    A worker makes the chunks again, up to the ends returned; the jobs make the totals. Raises
    `ConflictError`, with nothing changed, while workers run or where the log has lost a chunk.
    """
    with closing(connect_clickhouse(endpoints.clickhouse)) as client:
        generations = _generations(load_generations(client))
        sizes = {generation.number: generation.chunk_records for generation in generations}
        spans = log_spans(endpoints, generations)
        require_chunks(damage.chunks, spans, sizes)
        require_no_workers(endpoints)
        forget_totals(client, damage.totals)
        forget_chunks(client, damage.chunks, sizes)
    parts = {(chunk.generation, chunk.partition) for chunk in damage.chunks}
    return {part: spans[part].end for part in parts}


def require_chunks(
    chunks: Iterable[Run], spans: Mapping[tuple[int, int], Span], sizes: Mapping[int, int]
) -> None:
    """Raise `ConflictError` unless the log still has every record of these chunks."""
    lost = [
        f"{chunk.generation}/{chunk.partition}/{chunk.run}"
        for chunk in sorted(chunks)
        if chunk.run * sizes[chunk.generation] < spans[chunk.generation, chunk.partition].first
    ]
    if lost:
        raise ConflictError(
            f"the log has lost records of the chunks {', '.join(lost[:20])}, {len(lost)} in all:"
            " they cannot be made again, and nothing was changed. Restore the rows of usage_events"
            " from a backup"
        )


def _generations(found: list[Generation]) -> list[Generation]:
    if not found:
        raise ConflictError("the log was not created yet: run `tollbook migrate`")
    return found
