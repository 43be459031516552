"""The cut: up to which offset of each partition an answer counts. Readable for ever."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cut:
    """Offsets by "generation/partition", each exclusive: everything before them is counted."""

    offsets: dict[str, int]

    def as_json(self) -> str:
        """Canonical text: keys sorted, no spaces."""
        return json.dumps(self.offsets, sort_keys=True, separators=(",", ":"))

    def by_partition(self) -> dict[tuple[int, int], int]:
        """The same offsets by (generation, partition)."""
        parts = {name: name.split("/") for name in self.offsets}
        return {(int(parts[n][0]), int(parts[n][1])): end for n, end in self.offsets.items()}

    @classmethod
    def from_json(cls, text: str) -> Cut:
        """Read the text of `as_json` back."""
        return cls({str(part): int(offset) for part, offset in json.loads(text).items()})
