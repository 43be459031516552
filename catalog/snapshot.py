"""The catalog snapshot: all that the data plane needs of Postgres, in memory and on disk.

Ingest and stream workers run on it, so both start and run while Postgres is down.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sql
from catalog.meters import meter_of_row
from catalog.snapshot_content import ApiKeyPrincipal, CatalogSnapshot
from catalog.snapshot_file import read_snapshot, write_snapshot
from core.errors import ConflictError, DependencyDownError, TollbookError, ValidationError
from core.ids import TenantId
from db.postgres import Connection, Database, Role
from identity.rate_limits import limits_of_row

__all__ = ["ApiKeyPrincipal", "CatalogSnapshot", "SnapshotSource", "read_catalog"]


class SnapshotSource:
    """The newest snapshot to be had: from Postgres, else the one kept on disk.

    `last_error` is what the latest `refresh` met, None when it saw Postgres: for health checks.
    For one caller at a time. `close()` it.
    """

    def __init__(self, database_url: str, cache_path: Path) -> None:
        self._db = Database(database_url, Role.SNAPSHOT, connections_max=1)
        self._cache_path = cache_path
        self._snapshot: CatalogSnapshot | None = None
        self._mark: dict[str, Any] | None = None
        self.last_error: TollbookError | None = None

    def load(self) -> CatalogSnapshot:
        """The snapshot in Postgres, then kept on disk; the one on disk while Postgres is down.

        Raises `DependencyDownError` when neither can be had, `InternalError` when the disk refuses
        the file.
        """
        self.last_error = None
        try:
            return self._read_postgres()
        except (DependencyDownError, ConflictError) as error:
            self.last_error = error
            if self._snapshot is None:
                self._snapshot = self._read_disk(error)
            return self._snapshot

    def refresh(self) -> CatalogSnapshot:
        """The newest snapshot, one quick query if nothing changed; the last one on any trouble.

        Raises only when there is no last one: it then is `load`.
        """
        if self._snapshot is None:
            return self.load()
        self.last_error = None
        try:
            return self._read_postgres()
        except TollbookError as error:
            self.last_error = error
            return self._snapshot

    def close(self) -> None:
        """Give the connection back."""
        self._db.close()

    def _read_postgres(self) -> CatalogSnapshot:
        with self._db.transaction(snapshot=True) as conn:
            mark = conn.execute(sql.load("postgres/queries/select_snapshot_mark")).fetchone()
            assert mark is not None
            if self._snapshot is not None and mark == self._mark:
                return self._snapshot
            snapshot = read_catalog(conn)
        # In memory first: a disk that refuses must not keep a new meter or key from taking effect.
        self._snapshot = snapshot
        write_snapshot(self._cache_path, snapshot)
        self._mark = mark
        return snapshot

    def _read_disk(self, reason: TollbookError) -> CatalogSnapshot:
        try:
            return read_snapshot(self._cache_path)
        except FileNotFoundError:
            raise DependencyDownError(
                f"{reason.message}; and no catalog snapshot was kept at {self._cache_path} yet"
            ) from reason
        except ValidationError as error:
            raise DependencyDownError(f"{reason.message}; and {error.message}") from error


def read_catalog(conn: Connection) -> CatalogSnapshot:
    """The snapshot that one transaction sees."""
    meters = conn.execute(sql.load("postgres/queries/select_snapshot_meters")).fetchall()
    keys = conn.execute(sql.load("postgres/queries/select_snapshot_api_keys")).fetchall()
    return CatalogSnapshot(
        version=len(meters),
        meters=tuple(meter_of_row(row) for row in meters),
        api_keys={
            row["key_hash"]: ApiKeyPrincipal(
                TenantId(row["tenant_id"]),
                row["key_id"],
                frozenset(row["scopes"]),
                row["expires_at"],
                limits_of_row(row),
                limits_of_row(row, "tenant_"),
            )
            for row in keys
        },
    )
