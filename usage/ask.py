"""What is asked of the tables, in the form in which queries take it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.ids import TenantId
from usage.spans import Cells

_SUBJECT_BYTES_MAX: Final = 32 * 1024
"""Of subjects in one query, with room for escapes: ClickHouse reads 256 KiB of text."""

_QUOTES: Final = 4
CELLS_MAX: Final = 1000
"""Ranges of hours or days in one query, for the same reason."""


@dataclass(frozen=True, slots=True)
class Who:
    """Whose usage; no subjects at all stand for everybody."""

    tenant_id: TenantId
    subjects: tuple[str, ...] = ()

    def parameters(self) -> dict[str, Any]:
        """As bound into a query."""
        return {"tenant_id": str(self.tenant_id), "subjects": list(self.subjects)}

    def settings(self) -> dict[str, int]:
        """Of a query: threads cost more than they bring where few rows are read."""
        return {"max_threads": 1} if len(self.subjects) == 1 else {}


def everyone(tenant_id: TenantId, subjects: Sequence[str] | None) -> Iterator[Who]:
    """Subjects in portions that fit into a query's text; None stands for everybody."""
    if subjects is None:
        yield Who(tenant_id)
        return
    portion: list[str] = []
    size = 0
    for subject in dict.fromkeys(subjects):
        size += len(subject.encode()) + _QUOTES
        if portion and size > _SUBJECT_BYTES_MAX:
            yield Who(tenant_id, tuple(portion))
            portion, size = [], len(subject.encode()) + _QUOTES
        portion.append(subject)
    if portion:
        yield Who(tenant_id, tuple(portion))


def portions(cells: Sequence[Cells]) -> Iterator[Sequence[Cells]]:
    """Ranges of cells in portions that fit into a query's text."""
    for start in range(0, len(cells), CELLS_MAX):
        yield cells[start : start + CELLS_MAX]


def bounds(cells: Sequence[Cells]) -> dict[str, int]:
    """The time that holds all cells, in seconds."""
    return {
        "start_seconds": min((each.first * each.seconds for each in cells), default=0),
        "end_seconds": max((each.end * each.seconds for each in cells), default=0),
    }
