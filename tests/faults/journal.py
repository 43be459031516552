"""What a client knows of what it sent: written before it sends, and when it learns what came of it.

Every line is on disk before the next step: a journal survives what it journals.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ACKNOWLEDGED: Final = "acknowledged"
REFUSED: Final = "refused"


def digest(value: bytes) -> str:
    """What stands for a record's value in the journal."""
    return hashlib.blake2b(value, digest_size=16).hexdigest()


@dataclass(slots=True)
class Known:
    """A journal, read back: digests sent, and (partition, offset) -> digest acknowledged."""

    sent: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[tuple[int, int], str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def unknown(self) -> int:
        """Records of which nobody told what became of them."""
        return self.sent.total() - len(self.acknowledged) - self.refused.total()


class Journal:
    """An append-only file of JSON lines, synced at each call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8")

    def sending(self, values: list[bytes]) -> None:
        """These are about to be sent."""
        self._write([["sent", digest(value)] for value in values])

    def learned(self, outcomes: list[tuple[str, str, int, int]]) -> None:
        """(outcome, digest, partition, offset) of what was sent."""
        self._write([list(outcome) for outcome in outcomes])

    def read(self) -> Known:
        """Everything written so far."""
        known = Known()
        for line in self.path.read_text(encoding="utf-8").splitlines():
            what, *more = json.loads(line)
            if what == "sent":
                known.sent[more[0]] += 1
            elif what == ACKNOWLEDGED:
                known.acknowledged[more[1], more[2]] = more[0]
            else:
                known.refused[more[0]] += 1
        return known

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, lines: list[list[Any]]) -> None:
        self._file.write("".join(json.dumps(line) + "\n" for line in lines))
        self._file.flush()
        os.fsync(self._file.fileno())
