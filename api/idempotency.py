"""`Idempotency-Key`: the header of a POST that its sender may have to send twice."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, Final

from fastapi import Request as HttpRequest
from pydantic import BaseModel

from api.acting import changing
from core.acting import Acting
from core.clock import Clock
from core.errors import ValidationError
from core.ids import TenantId
from db.idempotency import Request, answer_once
from db.postgres import Connection, Database

HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def change_once(
    db: Database,
    machine: Clock,
    http: HttpRequest,
    acting: Acting,
    body: dict[str, Any],
    change: Callable[[Connection, Clock], dict[str, Any]],
) -> dict[str, Any]:
    """`change` in a transaction of its own and at the tenant's time, performed once.

    Raises as `perform_once`.
    """
    with changing(db, machine, acting) as (conn, clock):
        return perform_once(conn, clock, http, acting.tenant_id, body, lambda: change(conn, clock))


def perform_once(
    conn: Connection,
    clock: Clock,
    http: HttpRequest,
    tenant_id: TenantId,
    body: dict[str, Any],
    perform: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """`perform()`, or its first answer where the request's key was seen with the same body.

    Without the header it just performs. Raises as `db.idempotency.answer_once`, and
    `ValidationError` for a key that is none.
    """
    key = http.headers.get(HEADER)
    if key is None:
        return perform()
    if not _KEY.fullmatch(key):
        raise ValidationError(
            f"{HEADER}: give 1 to 255 printable ASCII characters without spaces", field=HEADER
        )
    asked = json.dumps([http.method, http.url.path, body], sort_keys=True, separators=(",", ":"))
    fingerprint = hashlib.sha256(asked.encode()).hexdigest()
    return answer_once(conn, clock, Request(tenant_id, key, fingerprint), perform)


def once_of(
    http: HttpRequest, clock: Clock, acting: Acting, body: BaseModel | None = None
) -> Callable[[Connection, Callable[[], dict[str, Any]]], dict[str, Any]]:
    """`perform_once` of a request, for who opens the transaction elsewhere."""
    asked = {} if body is None else body.model_dump(mode="json")

    def once(conn: Connection, perform: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return perform_once(conn, clock, http, acting.tenant_id, asked, perform)

    return once
