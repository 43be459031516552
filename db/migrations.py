"""What the migration files are, and which of them a database still needs: pure decisions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import sql
from core.errors import ConflictError, InternalError

Engine = Literal["postgres", "clickhouse"]

_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9]+(?:_[a-z0-9]+)+")
_STATEMENT_END: Final = re.compile(r";[ \t]*(?:\n|$)")
_COMMENT_LINE: Final = re.compile(r"^\s*--.*$", re.MULTILINE)


def split_statements(text: str) -> tuple[str, ...]:
    """The statements of a text, without comments: each ends with `;` at the end of a line."""
    parts = (_COMMENT_LINE.sub("", part) for part in _STATEMENT_END.split(text))
    return tuple(part.strip() for part in parts if part.strip())


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file: `name` is `NNNN_verb_noun`, without `.sql`."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Hex digest of the file's text; it is kept in the ledger of applied migrations."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        """The statements of a ClickHouse file."""
        return split_statements(self.text)


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """One row of the ledger in a database."""

    number: int
    name: str
    sha256: str


def discover(engine: Engine, root: Path = sql.ROOT) -> tuple[Migration, ...]:
    """All migrations of an engine, in order. Raises `InternalError` for gaps and odd file names."""
    found: list[Migration] = []
    for path in sorted((root / engine / "migrations").glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.stem)
        if match is None:
            raise InternalError(f"{path.name}: a migration is named NNNN_verb_noun.sql")
        if int(match[1]) != len(found) + 1:
            raise InternalError(
                f"{engine}/{path.name}: expected number {len(found) + 1:04}; numbers have no gaps"
                " and no doubles"
            )
        found.append(Migration(len(found) + 1, path.stem, path.read_text(encoding="utf-8")))
    return tuple(found)


def pending(
    migrations: Sequence[Migration], applied: Sequence[AppliedMigration]
) -> tuple[Migration, ...]:
    """The migrations a database still needs, given its ledger in order of number.

    Raises `ConflictError` when the ledger does not agree with the files: an applied file was
    changed, renamed or removed, or the database was migrated by a newer release.
    """
    for position, row in enumerate(applied):
        if row.number != position + 1:
            raise ConflictError(f"the ledger lacks migration {position + 1:04}; restore a backup")
        if position >= len(migrations):
            raise ConflictError(
                f"{row.name}: applied to this database, but not a file of this release;"
                " run the release that the database was migrated with, or a newer one"
            )
        ours = migrations[position]
        if row.name != ours.name:
            raise ConflictError(f"{row.name}: applied, but the file is now called {ours.name}")
        if row.sha256 != ours.sha256:
            raise ConflictError(
                f"{row.name}: the file was changed after it was applied; restore it and put the"
                " change into a new migration"
            )
    return tuple(migrations[len(applied) :])
