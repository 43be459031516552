"""Records at which workers die halt their partition until somebody decides; all others go on.

A record with three deaths in a row to its name, and nothing in between, is poison. That it halts
the partition is written down for all workers, so that none of them tries it again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.decisions import DecisionLog
from streams.records import Record
from streams.step_marks import DEATHS_MAX, RAISED, StepWatch

HOW_TO_DECIDE: Final = (
    "workers die at the record %s; all other partitions go on. Name it as rejected with `tollbook"
    " dlq decide`, or have it tried once more with `tollbook dlq retry`; `tollbook lag` shows it"
)
"""What an operator is told; takes the position generation/partition/offset."""


class Admitted(NamedTuple):
    """What a lane may do: step through `pieces`, then stop before the offset `halted_at`, if set.

    Records that were named as rejected carry the reason.
    """

    pieces: list[list[Record]]
    halted_at: int | None


class LaneGuard:
    """Decides how far one lane may go. Its methods may be called from any thread.

    They let errors of ClickHouse out: the caller repeats them.
    """

    def __init__(self, watch: StepWatch, decisions: DecisionLog, partition: int) -> None:
        self.watch, self.partition = watch, partition
        self._decisions = decisions

    def admit(self, records: list[Record]) -> Admitted:
        """How to process consecutive records."""
        self._halt_at_poison()
        decided = self._decisions.of(self.partition)
        halted_at = min(
            (offset for offset in decided.halted if offset >= records[0].offset), default=None
        )
        free = [
            record._replace(rejected=decided.rejected[record.offset].reason)
            if record.offset in decided.rejected
            else record
            for record in records
            if halted_at is None or record.offset < halted_at
        ]
        halts = len(free) < len(records)
        return Admitted(self.watch.pieces(self.partition, free), halted_at if halts else None)

    def still_halted(self, offset: int) -> bool:
        """Whether nobody has decided about the record yet."""
        return offset in self._decisions.of(self.partition).halted

    def _halt_at_poison(self) -> None:
        suspect = self.watch.suspect(self.partition)
        if suspect is None or suspect.deaths < DEATHS_MAX:
            return
        if suspect.first not in self._decisions.of(self.partition).rejected:
            why = (
                "processing this record alone raised an error; the worker's log has it"
                if suspect.deaths == RAISED
                else f"the worker died {suspect.deaths} times in a row while it processed this"
                " record alone"
            )
            self._decisions.halt(self.partition, suspect.first, why)
        self.watch.forget(self.partition)
