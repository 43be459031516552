"""Apply a correction, revert one: each may be interrupted at any instant and begun again.

Apply: fix the cut, void what is live there in the spans, post the file's events. Revert: void what
is live of the posted events, post the old ones again as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

import msgspec
import polars as pl
from clickhouse_connect.driver.client import Client

from core.acting import OPERATOR, Acting
from core.clock import Clock
from core.cloudevents.wire import WireEvent
from core.endpoints import Endpoints
from core.errors import ValidationError
from core.events import VOID_TYPE, event_key
from core.ids import TenantId
from corrections.covering import COVER_SECONDS, covering_cut
from corrections.event_file import check_file, events_of_file
from corrections.operations import (
    Operation,
    Plan,
    advance,
    begin_operation,
    begin_revert,
    find_operation,
    same_operation,
)
from corrections.posting import Poster
from db.clickhouse import connect_clickhouse
from db.postgres import Connection, Database
from usage.cut import Cut
from usage.event_history import Span, live_events
from usage.look import read_look

BLOCK_EVENTS: Final = 1_000
"""Events that are posted together."""

_SECOND: Final = "%Y-%m-%dT%H:%M:%S.%fZ"

Report = Callable[[str, int], None]
"""Told what is being done ("voiding", "posting") and how many events of it are done."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where corrections work: the servers, Postgres opened, and how long to wait for workers."""

    endpoints: Endpoints
    db: Database
    clock: Clock
    cover_seconds: float = COVER_SECONDS

    def transaction(self, tenant_id: TenantId) -> AbstractContextManager[Connection]:
        """A unit of work for a tenant."""
        return self.db.transaction(Acting(tenant_id, OPERATOR))


def apply_correction(
    servers: Servers,
    tenant_id: TenantId,
    name: str,
    spans: Sequence[Span],
    file: Path,
    report: Report = lambda _what, _count: None,
) -> Operation:
    """Replace the events of `spans` that the log holds now by those of `file`.

    Safe to repeat: what was done is not done twice, also after a crash at any point. Raises
    `ValidationError` before anything is done when the file may not stand in for these spans;
    `ConflictError` as `begin_operation` does; `DependencyDownError` when workers do not keep up.
    """
    if not any(span.subjects for span in spans):
        raise ValidationError("subjects: nobody's events are to be corrected", field="subjects")
    digest, count = check_file(file, spans, servers.clock.now())
    plan = Plan(name, tuple(spans), digest, count)
    with servers.transaction(tenant_id) as conn:
        operation = find_operation(conn, tenant_id, name)
    client = connect_clickhouse(servers.endpoints.clickhouse)
    try:
        if operation is None:
            cut = _covering(servers, client)
            with servers.transaction(tenant_id) as conn:
                operation = begin_operation(conn, servers.clock, tenant_id, plan, cut)
        else:
            same_operation(operation, plan)
        if operation.state == "applied":
            return operation
        poster = Poster(servers.endpoints, servers.clock, tenant_id)
        old = live_events(client, tenant_id, operation.spans, operation.cut)
        voids = _blocks(_voids(operation.source, old))
        voided = poster.post(voids, lambda done: report("voiding", done))
        news = _blocks(_replacements(operation, file))
        poster.post(news, lambda done: report("posting", done))
    finally:
        client.close()
    with servers.transaction(tenant_id) as conn:
        return advance(conn, servers.clock, operation, "applied", voided)


def revert_correction(
    servers: Servers,
    tenant_id: TenantId,
    name: str,
    report: Report = lambda _what, _count: None,
) -> Operation:
    """Make the usage what it was before the correction. Safe to repeat, as applying is.

    Raises `NotFoundError` and `ConflictError` as `begin_revert` does.
    """
    with servers.transaction(tenant_id) as conn:
        operation = begin_revert(conn, servers.clock, tenant_id, name)
    if operation.state == "reverted":
        return operation
    client = connect_clickhouse(servers.endpoints.clickhouse)
    try:
        poster = Poster(servers.endpoints, servers.clock, tenant_id)
        now = live_events(client, tenant_id, operation.spans, _covering(servers, client))
        posted = (block.filter(pl.col("source") == operation.source) for block in now)
        voids = _blocks(_voids(operation.revert_source, posted))
        poster.post(voids, lambda done: report("voiding", done))
        old = live_events(client, tenant_id, operation.spans, operation.cut)
        again = _blocks(_old_again(operation, old))
        poster.post(again, lambda done: report("posting", done))
    finally:
        client.close()
    with servers.transaction(tenant_id) as conn:
        return advance(conn, servers.clock, operation, "reverted")


def _covering(servers: Servers, client: Client) -> Cut:
    """A cut that covers all that is in the log now. Raises `DependencyDownError`."""
    return covering_cut(
        servers.endpoints, servers.clock, lambda: read_look(client).cut, servers.cover_seconds
    )


def _voids(source: str, blocks: Iterator[pl.DataFrame]) -> Iterator[WireEvent]:
    """A void of every event of the blocks, in their order."""
    for block in blocks:
        for target_source, target_id, subject, *place in block.select(
            "source", "id", "subject", "generation", "partition", "offset", "row"
        ).rows():
            target = msgspec.json.encode({"source": target_source, "id": target_id})
            yield WireEvent(
                specversion="1.0",
                id=f"void {'-'.join(map(str, place))}",
                source=source,
                type=VOID_TYPE,
                subject=subject,
                data=msgspec.Raw(target),
            )


def _replacements(operation: Operation, file: Path) -> Iterator[WireEvent]:
    """The file's events under the operation's name: copies within the file stay copies."""
    tenant = str(operation.tenant_id)
    for _, event in events_of_file(file):
        assert event.source is not None
        assert event.id is not None
        key = event_key(tenant, event.source, event.id).hex()
        yield msgspec.structs.replace(event, source=operation.source, id=key)


def _old_again(operation: Operation, blocks: Iterator[pl.DataFrame]) -> Iterator[WireEvent]:
    """The old events as they were, named by their old positions."""
    for block in blocks:
        rows = block.select(
            "type", "subject", "time", "data", "generation", "partition", "offset", "row"
        ).rows()
        for type_, subject, at, data, *place in rows:
            yield WireEvent(
                specversion="1.0",
                id="-".join(map(str, place)),
                source=operation.revert_source,
                type=type_,
                subject=subject,
                time=at.astimezone(UTC).strftime(_SECOND),
                data=msgspec.Raw(data),
            )


def _blocks(events: Iterator[WireEvent]) -> Iterator[Sequence[WireEvent]]:
    block: list[WireEvent] = []
    for event in events:
        block.append(event)
        if len(block) == BLOCK_EVENTS:
            yield block
            block = []
    if block:
        yield block
