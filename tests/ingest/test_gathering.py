"""Requests gathered into one batch: each keeps its own events, and its own fate."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cloudevents.columnar.admitting import admit_clean_either
from core.errors import RateLimitError
from ingest.gathering import Body, Gathered, Waiting, gather
from ingest.limits.limiter import Sender
from ingest.passage import NOWHERE
from tests.ingest.service import event

NOW = 1_795_284_000_000_000
TENANTS = ("0190aaaa-0190-7aaa-8aaa-0190aaaa0190", "0190bbbb-0190-7aaa-8aaa-0190aaaa0190")


@dataclass(frozen=True)
class _Sender:
    """All that is asked of a sender here."""

    tenant_id: str
    is_refused: bool = False

    def spend(self, events: int, size_bytes: int) -> None:
        assert 0 < events < size_bytes
        if self.is_refused:
            raise RateLimitError("too fast", 7)


def _body(tenant_id: str, text: bytes, *, is_refused: bool = False) -> Body:
    return Body(cast("Sender", _Sender(tenant_id, is_refused)), text, NOW)


def _waiting(what: pa.RecordBatch | Body, released: list[int]) -> Waiting:
    settled = asyncio.get_running_loop().create_future()
    return Waiting(what, 7, settled, NOWHERE, released.append)


def _batch(tenant_id: str, text: bytes) -> pa.RecordBatch:
    found = admit_clean_either(text, tenant_id, NOW)
    assert found is not None
    return found.batch


def _gather(
    whats: list[pa.RecordBatch | Body],
) -> tuple[Gathered, list[Waiting]]:
    async def run() -> tuple[Gathered, list[Waiting]]:
        waiting = [_waiting(what, []) for what in whats]
        return gather(waiting), waiting

    return asyncio.run(run())


def _ids(found: Gathered) -> list[list[str]]:
    """The ids of each request, by the counts."""
    assert found.batch is not None
    ids: list[Any] = found.batch.column("id").to_pylist()
    starts = [sum(found.counts[:n]) for n in range(len(found.counts))]
    return [ids[a : a + n] for a, n in zip(starts, found.counts, strict=True)]


_kinds = st.tuples(st.booleans(), st.sampled_from(TENANTS), st.integers(1, 3), st.booleans())


@given(st.lists(_kinds, min_size=1, max_size=8))
def test_each_request_keeps_its_own_events(
    kinds: list[tuple[bool, str, int, bool]],
) -> None:
    whats: list[pa.RecordBatch | Body] = []
    wanted: list[pa.RecordBatch | None] = []
    for number, (is_body, tenant_id, events, is_refused) in enumerate(kinds):
        made = [event(f"{number}-{n}", data={"n": n}) for n in range(events)]
        text = json.dumps(made if events > 1 else made[0]).encode()
        alone = _batch(tenant_id, text)
        whats.append(_body(tenant_id, text, is_refused=is_refused) if is_body else alone)
        wanted.append(None if is_body and is_refused else alone)
    found, waiting = _gather(whats)
    kept = {id(request): n for n, request in enumerate(waiting)}
    order = [kept[id(request)] for request in found.requests]
    assert sorted(order) == [n for n, batch in enumerate(wanted) if batch is not None]
    if order:
        assert found.batch is not None
        parts = [batch for n in order if (batch := wanted[n]) is not None]
        assert pa.Table.from_batches([found.batch]).equals(pa.Table.from_batches(parts))
        assert [len(ids) for ids in _ids(found)] == [part.num_rows for part in parts]
    for number, batch in enumerate(wanted):
        if batch is None:
            assert isinstance(waiting[number].settled.exception(), RateLimitError)
        else:
            assert not waiting[number].settled.done()


def test_a_body_that_is_not_clean_sends_those_of_its_tenant_to_be_read_alone() -> None:
    good = json.dumps(event("1")).encode()
    mine = [_body(TENANTS[0], text) for text in (good, b'{"id":1}', good)]
    others = _body(TENANTS[1], good)
    found, waiting = _gather([*mine, others])
    assert [request.settled.done() for request in waiting] == [True, True, True, False]
    assert [request.settled.result() for request in waiting[:3]] == [False] * 3
    assert _ids(found) == [["1"]]


def test_a_request_that_was_given_up_is_not_settled_twice() -> None:
    async def run() -> None:
        released: list[int] = []
        request = _waiting(_body(TENANTS[0], b"{"), released)
        request.settled.cancel()
        assert gather([request]).batch is None
        request.fail(RateLimitError("", 1))
        assert sum(released) == 7
        with pytest.raises(asyncio.CancelledError):
            await request.settled

    asyncio.run(run())


def test_old_events_are_counted_body_by_body() -> None:
    old, new = event("1", time="2020-01-01T00:00:00Z"), event("2")
    bodies = [_body(TENANTS[0], json.dumps(some).encode()) for some in ([old, new, old], new)]
    _gather(list(bodies))
    assert [(body.events, body.old_events) for body in bodies] == [(3, 2), (1, 0)]
