"""Crash points: named places where a process may be told to die, for tests of what survives.

An unarmed process pays one comparison a pass. An armed one dies at the n-th pass of one point with
`os._exit`, as a SIGKILL would end it: nothing is closed, flushed or answered. Before that it writes
the point's name into a file, so that a test knows that the point was reached.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core.errors import ValidationError

POINTS: Final = (
    "on_assignment_before_start",
    "on_assignment_after_start",
    "on_delivery",
    "on_assignment_before_load",
    "on_assignment_after_load",
    "after_step_before_write",
    "before_dead_letters",
    "after_dead_letters",
    "before_conflicts",
    "after_conflicts",
    "before_events",
    "after_events",
    "before_usage",
    "after_usage",
    "before_end",
    "after_end",
    "before_ledger",
    "after_ledger",
    "after_step_before_ack",
    "after_ack_before_commit",
    "after_commit",
    "relay_before_write",
    "relay_after_write",
    "relay_after_commit",
    "ingest_before_produce",
    "ingest_on_acknowledgement",
    "ingest_after_acknowledgements",
    "ingest_before_answer",
    "ingest_while_stopping",
)
"""Every point there is, in the order in which a stream worker, a bridge or a carrier, and an ingest
process come past them."""

_RECORD: Final = re.compile(r"record/\d+/\d+")
"""A point of its own: the record at a partition and offset of the log is being processed."""

EXIT_CODE: Final = 9
_FORM: Final = "a fault is POINT:NTH, POINT:NTH:FILE or POINT:NTH:FILE:stop"
_PARTS_MIN: Final = 2
_PARTS_MAX: Final = 4


@dataclass(slots=True)
class _Armed:
    """The point that kills, at which pass, and where it says so."""

    point: str
    nth: int
    record: Path | None
    freezes: bool
    passes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_armed: list[_Armed] = []


def arm(fault: str) -> None:
    """Arm this process: `POINT:NTH`, `POINT:NTH:FILE`, or `POINT:NTH:FILE:stop`.

    NTH counts from 1. FILE gets a line when the point is reached for that time. With `stop` the
    process freezes there, as SIGSTOP freezes it, until SIGCONT. Raises `ValidationError`.
    """
    parts = fault.split(":")
    if not _PARTS_MIN <= len(parts) <= _PARTS_MAX or not parts[1].isdecimal():
        raise ValidationError(f"{fault!r}: {_FORM}")
    point, nth, record, verb = (*parts, "", "")[:_PARTS_MAX]
    if point not in POINTS and not _RECORD.fullmatch(point):
        raise ValidationError(f"{point!r}: no such crash point; there are {', '.join(POINTS)}")
    if int(nth) < 1 or verb not in {"", "stop"}:
        raise ValidationError(f"{fault!r}: {_FORM}")
    _armed[:] = [_Armed(point, int(nth), Path(record) if record else None, verb == "stop")]


def disarm() -> None:
    """Pass all points again."""
    _armed.clear()


def reach(point: str) -> None:
    """Say that this point is passed now; does not return where it was armed for this pass."""
    if _armed and _armed[0].point == point:
        _pass(_armed[0])


def reach_record(partition: int, offset: int) -> None:
    """Say that the record at this place of the log is being processed now."""
    if _armed:
        reach(f"record/{partition}/{offset}")


def _pass(armed: _Armed) -> None:
    with armed.lock:  # lanes are threads: no two of them are the n-th
        armed.passes += 1
        if armed.passes != armed.nth:
            return
        if armed.record is not None:
            with armed.record.open("a", encoding="utf-8") as file:
                file.write(f"{armed.point}:{armed.nth} {os.getpid()}\n")
        if not armed.freezes:
            os._exit(EXIT_CODE)
    os.kill(os.getpid(), signal.SIGSTOP)
