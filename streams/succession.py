"""Which generation of the log is read, which were read to their end, and which is written to.

One generation is read at a time. The next one begins when the ledger covers the end marker of every
partition of the one before: its keys are known then, wherever they were.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

import sql
from core.errors import ConflictError
from streams.generation import Generation, load_generations


class End(NamedTuple):
    """Where a partition of a generation ends, by the ledger: the offset after its marker."""

    generation: int
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Succession:
    """All generations, the oldest first, and the ends that the ledger covers."""

    generations: tuple[Generation, ...]
    ends: tuple[End, ...]

    @property
    def reading(self) -> Generation:
        """The generation that is read: the first one that did not end in every partition."""
        ended = Counter(end.generation for end in self.ends)
        for generation in self.generations[:-1]:
            if ended[generation.number] < generation.partitions:
                return generation
        return self.generations[-1]

    @property
    def newest(self) -> Generation:
        """The generation that is written to."""
        return self.generations[-1]

    @property
    def retired(self) -> tuple[Generation, ...]:
        """The generations that were read to their end: those before `reading`."""
        return self.generations[: self.reading.number - 1]

    def ended_partitions(self, generation: int) -> int:
        """How many partitions of a generation were read to their end."""
        return sum(end.generation == generation for end in self.ends)


def load_succession(client: Client) -> Succession:
    """Read it. Raises `ConflictError` before the log is created."""
    generations = load_generations(client)
    if not generations:
        raise ConflictError("the log was not created yet: run `tollbook migrate`")
    ends: list[End] = []
    if len(generations) > 1:
        rows = client.query(sql.load("clickhouse/queries/covered_ends")).result_rows
        ends = [End(*row) for row in rows]
    return Succession(tuple(generations), tuple(ends))
