"""A repeated request gets the first answer again, not a second effect.

The answer is stored in the transaction that has the effect, so there is never one without the
other, and a request that failed may be repeated with the same key. An operator
forgets old answers (`tollbook changes prune`); after that the same key is a new request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

import sql
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError
from core.ids import TenantId
from db.postgres import Connection, Database

_BATCH: Final = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """What makes two requests the same: whose, under which key, and the hash of what was asked."""

    tenant_id: TenantId
    key: str
    fingerprint: str


def answer_once(
    conn: Connection, clock: Clock, request: Request, answer: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The stored answer of `request`, or `answer()`, which is stored if it does not raise.

    Raises `ConflictError` while the same key is being worked on, `BusinessLogicError` where it
    stands for another request.
    """
    row: dict[str, Any] = {"tenant_id": request.tenant_id, "key": request.key}
    locked = conn.execute(sql.load("postgres/queries/lock_idempotency_key"), row).fetchone()
    if locked is None or not locked["locked"]:
        raise ConflictError(
            f"Idempotency-Key: a request with the key {request.key!r} is under way; ask again when"
            " it is done"
        )
    stored = conn.execute(sql.load("postgres/queries/select_idempotent_answer"), row).fetchone()
    if stored is None:
        body = answer()
        conn.execute(
            sql.load("postgres/queries/insert_idempotent_answer"),
            row
            | {
                "fingerprint": request.fingerprint,
                "answer": Jsonb(body),
                "now": clock.machine().now(),
            },
        )
        return body
    if stored["fingerprint"] != request.fingerprint:
        raise BusinessLogicError(
            f"Idempotency-Key: {request.key!r} was used for another request; take a new key",
            field="Idempotency-Key",
        )
    found: dict[str, Any] = stored["answer"]
    return found


def prune(db: Database, before: datetime) -> int:
    """Forget the answers that were given before; how many. For operators, over all tenants."""
    query, pruned = sql.load("postgres/queries/prune_idempotent_answers"), 0
    while True:
        with db.transaction() as conn:
            gone = conn.execute(query, {"before": before, "limit": _BATCH}).rowcount
        pruned += gone
        if gone < _BATCH:
            return pruned
