"""How far a file was sent, kept beside the stack's state, so that a second try goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Journal:
    """Of one file, by its content, and one way to send it: `done_rows` have verdicts."""

    path: Path
    done_rows: int = 0

    @classmethod
    def of(cls, folder: Path, digest: str, way: str) -> Journal:
        """What was noted before; nothing when it cannot be read: then all is sent again.

        `way`: hex digest of where to, as whom and with which defaults.
        """
        path = folder / f"{digest[:32]}-{way[:16]}.json"
        try:
            noted = json.loads(path.read_text(encoding="utf-8"))
            done = int(noted["done_rows"])
        except (OSError, ValueError, KeyError, TypeError):
            done = 0
        return cls(path, done)

    def note(self, done_rows: int) -> None:
        """Whole or not at all."""
        self.done_rows = done_rows
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"done_rows": done_rows}), encoding="utf-8")
        new.replace(self.path)

    def forget(self) -> None:
        """The file is through."""
        self.path.unlink(missing_ok=True)
