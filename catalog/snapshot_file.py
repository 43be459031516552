"""The catalog snapshot as a file: checked against damage, replaced as a whole."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from catalog.meters import meter_of_row
from catalog.snapshot_content import ApiKeyPrincipal, CatalogSnapshot
from core.errors import InternalError, TollbookError, ValidationError
from core.ids import TenantId
from identity.rate_limits import columns_of, limits_of_row

FORMAT: Final = 3
"""Version of the file's layout; a file of another one is refused."""


def write_snapshot(path: Path, snapshot: CatalogSnapshot) -> None:
    """Replace the file at once and for good: a crash leaves the old one or the new one.

    Raises `InternalError` when the disk refuses it.
    """
    body = _body(snapshot)
    document = {"format": FORMAT, "sha256": _digest(body), "snapshot": body}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise InternalError(f"catalog snapshot: {path} cannot be written: {error}") from error


def read_snapshot(path: Path) -> CatalogSnapshot:
    """Read a file back.

    Raises `FileNotFoundError` when there is none, `ValidationError` when it is damaged or of
    another format.
    """
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise _refused(path, f"has format {document['format']}, this release reads {FORMAT}")
        if document["sha256"] != _digest(document["snapshot"]):
            raise _refused(path, "is damaged: its checksum does not match")
        return _snapshot(document["snapshot"])
    except FileNotFoundError:
        raise
    except ValidationError:
        raise
    except (OSError, ValueError, TypeError, KeyError, TollbookError) as error:
        raise _refused(path, f"is damaged: {error!r}") from error


def _refused(path: Path, problem: str) -> ValidationError:
    return ValidationError(
        f"catalog snapshot: {path} {problem}; delete it, it is written again from Postgres",
        path=str(path),
    )


def _digest(body: dict[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _body(snapshot: CatalogSnapshot) -> dict[str, Any]:
    meters = [
        {
            "id": str(meter.id),
            "tenant_id": str(meter.tenant_id),
            "slug": meter.slug,
            "name": meter.name,
            "definition": meter.as_document(),
            "unit": meter.unit,
            "catalog_version": meter.catalog_version,
            "archived_at": None if meter.archived_at is None else meter.archived_at.isoformat(),
        }
        for meter in snapshot.meters
    ]
    keys = {
        key_hash: {
            "tenant_id": str(principal.tenant_id),
            "key_id": str(principal.key_id),
            "scopes": sorted(principal.scopes),
            "expires_at": None
            if principal.expires_at is None
            else principal.expires_at.isoformat(),
            "limits": columns_of(principal.limits),
            "tenant_limits": columns_of(principal.tenant_limits),
        }
        for key_hash, principal in snapshot.api_keys.items()
    }
    return {"version": snapshot.version, "meters": meters, "api_keys": keys}


def _snapshot(body: dict[str, Any]) -> CatalogSnapshot:
    return CatalogSnapshot(
        version=body["version"],
        meters=tuple(
            meter_of_row(
                meter
                | {
                    "id": UUID(meter["id"]),
                    "tenant_id": UUID(meter["tenant_id"]),
                    "archived_at": None
                    if meter["archived_at"] is None
                    else datetime.fromisoformat(meter["archived_at"]),
                }
            )
            for meter in body["meters"]
        ),
        api_keys={
            key_hash: ApiKeyPrincipal(
                TenantId(UUID(key["tenant_id"])),
                UUID(key["key_id"]),
                frozenset(key["scopes"]),
                None if key["expires_at"] is None else datetime.fromisoformat(key["expires_at"]),
                limits_of_row(key["limits"]),
                limits_of_row(key["tenant_limits"]),
            )
            for key_hash, key in body["api_keys"].items()
        },
    )


def _sync_directory(directory: Path) -> None:
    """Make the new name durable too."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
