"""Lines are events: nothing that reads otherwise as one text with commas is taken for them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from core.cloudevents.columnar.admitting import admit_clean_lines
from core.cloudevents.contract import admit
from core.cloudevents.wire import Rejection
from ingest.formats.ndjson import decode

TENANT = "0190aaaa-0190-7aaa-8aaa-0190aaaa0190"
NOW = 1_795_284_000_000_000
_ONE = b'{"specversion":"1.0","id":"1","source":"/a","type":"t","subject":"s","data":{"a":[1,{}]}}'
_TWO = _ONE.replace(b'"id":"1"', b'"id":"2"')


def test_clean_lines_are_read_fast() -> None:
    for body in (_ONE, _ONE + b"\n", _ONE + b"\n" + _TWO, _ONE + b"\r\n" + _TWO + b"\r\n"):
        clean = admit_clean_lines(body, TENANT, NOW)
        assert clean is not None
        assert clean.batch.num_rows == len(decode(body))


def test_an_event_over_two_lines_is_two_broken_lines() -> None:
    halves = _ONE + b"," + _TWO.replace(b"[1,{}]", b"[1\n{}]")  # two lines, with commas two events
    assert admit_clean_lines(halves, TENANT, NOW) is None
    assert [each.code for each in decode(halves) if isinstance(each, Rejection)] == [
        "invalid_event"
    ] * 2


@given(st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b",", b"\n", b" ", b"\r", _ONE, _TWO])))
def test_what_is_taken_fast_is_what_the_lines_say(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    clean = admit_clean_lines(body, TENANT, NOW)
    if clean is not None:
        admitted = admit(decode(body), TENANT, NOW, escaped=True)
        assert not admitted.rejections
        assert clean.batch.equals(admitted.columns.as_batch())


@given(st.data())
def test_lines_broken_anywhere_else(data: st.DataObject) -> None:
    body = b"\n".join([_ONE, _TWO, _ONE])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body = body[:at] + data.draw(st.sampled_from([b"\n", b",", b""])) + body[at + 1 :]
    clean = admit_clean_lines(body, TENANT, NOW)
    if clean is not None:
        admitted = admit(decode(body), TENANT, NOW, escaped=True)
        assert not admitted.rejections
        assert clean.batch.equals(admitted.columns.as_batch())


def test_blank_lines_are_no_events() -> None:
    first, broken, last = decode(b"\n" + _ONE + b"\n\n \t\nnothing\n" + _TWO + b"\n\n")
    assert (getattr(first, "id", None), getattr(last, "id", None)) == ("1", "2")
    assert isinstance(broken, Rejection)
    assert broken.index == 1
    assert "JSON" in broken.message
    assert json.loads(_ONE)["id"] == "1"
