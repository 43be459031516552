"""What all wire formats promise: the same events, however they are written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cloudevents.contract import admit
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import TooLargeError, ValidationError
from ingest.formats.registry import FORMATS, format_for

Event = dict[str, str]
TENANT = "0190aaaa-0190-7aaa-8aaa-0190aaaa0190"
NOW = 1_795_284_000_000_000
NAMES = ("specversion", "id", "source", "type", "subject", "time", "data")
EVENT = {
    "specversion": "1.0", "id": "1", "source": "/a", "type": "t", "subject": "s",
    "time": "2026-11-21T10:00:00.25Z", "data": '{ "tokens" : 1.10 }',
}  # fmt: skip


def _json(event: Event) -> str:
    """With the exact text of the data."""
    head = {name: text for name, text in event.items() if name != "data"}
    return json.dumps(head)[:-1] + f', "data": {event["data"]}}}'


def _array(events: Sequence[Event]) -> bytes:
    return ("[" + ",".join(map(_json, events)) + "]").encode()


def _lines(events: Sequence[Event]) -> bytes:
    return "".join(_json(event) + "\n" for event in events).encode()


def _csv(events: Sequence[Event]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(NAMES)
    writer.writerows([[event[name] for name in NAMES] for event in events])
    return out.getvalue().encode()


def table_of(events: Sequence[Event]) -> pa.Table:
    return pa.table({n: pa.array([event[n] for event in events], pa.string()) for n in NAMES})


def arrow_of(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def parquet_of(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


Write = Callable[[Sequence[Event]], bytes]
WRITERS: Mapping[str, Write] = {
    "application/cloudevents+json": lambda events: _json(events[0]).encode(),
    "application/cloudevents-batch+json": _array,
    "application/json": _array,
    "application/x-ndjson": _lines,
    "text/csv": _csv,
    "application/vnd.apache.arrow.stream": lambda events: arrow_of(table_of(events)),
    "application/vnd.apache.parquet": lambda events: parquet_of(table_of(events)),
}
MANY = [media_type for media_type in WRITERS if media_type != "application/cloudevents+json"]


def decode(media_type: str, body: bytes) -> Sequence[WireEvent | Rejection]:
    return format_for({"content-type": media_type}).decode(body)


def expected(event: Event) -> WireEvent:
    return WireEvent(**{**event, "data": _raw(event["data"])})  # type: ignore[arg-type]  # as named


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def test_every_format_is_held_to_the_contract() -> None:
    assert set(WRITERS) == set(FORMATS)


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1,
                 max_size=9)  # fmt: skip
_data = st.dictionaries(_texts, st.integers() | _texts | st.none(), max_size=3).map(json.dumps)
_events = st.fixed_dictionaries(
    {"specversion": st.just("1.0"), "time": st.just("2026-11-21T10:00:00Z"), "data": _data}
    | dict.fromkeys(("id", "source", "type", "subject"), _texts)
)


@pytest.mark.parametrize("media_type", list(WRITERS))
@given(st.lists(_events, min_size=1, max_size=4))
def test_the_events_come_out_as_they_were_written(media_type: str, events: list[Event]) -> None:
    sent = events if media_type in MANY else events[:1]
    assert list(decode(media_type, WRITERS[media_type](sent))) == [expected(e) for e in sent]


@pytest.mark.parametrize("media_type", list(WRITERS))
@given(st.lists(_events, min_size=1, max_size=3))
def test_the_fast_way_gives_what_the_contract_gives(media_type: str, events: list[Event]) -> None:
    wire_format = FORMATS[media_type]
    if wire_format.admit_clean is None:
        return
    sent = events if media_type in MANY else events[:1]
    body = WRITERS[media_type](sent)
    clean = wire_format.admit_clean(body, TENANT, NOW)
    admitted = admit(wire_format.decode(body), TENANT, NOW, escaped=True)
    if clean is not None:
        assert not admitted.rejections
        assert clean.batch.equals(admitted.columns.as_batch())


@pytest.mark.parametrize("media_type", MANY)
def test_bad_events_are_named_by_their_places_and_the_others_taken(media_type: str) -> None:
    bad_time, bad_data = EVENT | {"id": "2", "time": "never"}, EVENT | {"id": "3", "data": "[1]"}
    body = WRITERS[media_type]([bad_time, EVENT, bad_data, EVENT | {"id": "4"}])
    admitted = admit(decode(media_type, body), TENANT, NOW, escaped=True)
    assert [(r.index, r.id, r.code) for r in admitted.rejections] == [
        (0, "2", "invalid_time"), (2, "3", "unsupported_data"),
    ]  # fmt: skip
    assert admitted.columns.id == ["1", "4"]


@pytest.mark.parametrize("media_type", list(WRITERS))
def test_an_event_over_the_limit_is_refused_alone(media_type: str) -> None:
    large = EVENT | {"id": "2", "data": '{"text":"' + "x" * 2**18 + '"}'}
    sent = [large, EVENT] if media_type in MANY else [large]
    rejection, *others = decode(media_type, WRITERS[media_type](sent))
    assert isinstance(rejection, Rejection)
    assert (rejection.index, rejection.id, rejection.code) == (0, "2", "event_too_large")
    assert others == [expected(each) for each in sent[1:]]


@pytest.mark.parametrize("media_type", MANY)
def test_as_many_events_as_a_request_may_hold_and_one_more(media_type: str) -> None:
    events = [EVENT] * 10_000
    assert len(decode(media_type, WRITERS[media_type](events))) == 10_000
    with pytest.raises(TooLargeError, match="10001 events, the limit is 10000"):
        decode(media_type, WRITERS[media_type]([*events, EVENT]))


@pytest.mark.parametrize("media_type", list(WRITERS))
@given(st.data())
def test_no_damaged_body_is_more_than_a_clear_refusal(media_type: str, data: st.DataObject) -> None:
    body = WRITERS[media_type]([EVENT, EVENT | {"id": "2"}])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 4))
        body = body[:at] + data.draw(st.binary(max_size=4)) + body[at + cut :]
    with suppress(ValidationError, TooLargeError):
        admit(decode(media_type, body), TENANT, NOW, escaped=True)
