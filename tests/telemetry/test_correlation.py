from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.correlation import IDS_MAX, RequestId, pack_ids, request_id_of, unpack_ids

_IDS = st.builds(
    RequestId, st.from_regex(r"[A-Za-z0-9._:/=@-]{1,64}", fullmatch=True), st.booleans()
)


def test_an_id_is_taken_from_the_caller_or_from_its_trace_or_made() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert request_id_of({"x-request-id": "a-1", "traceparent": parent}) == ("a-1", True)
    assert request_id_of({"traceparent": parent}) == ("0af7651916cd43dd8448eb211c80319c", True)
    made, again = request_id_of({}), request_id_of({})
    assert made != again
    assert (len(made.text), made.brought) == (32, False)


@pytest.mark.parametrize("text", ["", " ", "a b", "a\nb", "é", "+a", "x" * 65, "a\x00"])
def test_an_id_that_could_break_a_header_or_a_log_is_replaced(text: str) -> None:
    assert not request_id_of({"x-request-id": text, "traceparent": text}).brought


@given(st.lists(_IDS, max_size=100, unique_by=lambda each: each.text))
def test_ids_come_back_brought_ones_first_and_never_too_many(ids: list[RequestId]) -> None:
    packed = pack_ids(ids)
    found = unpack_ids(packed)
    assert set(found) <= set(ids)
    assert len(found) == min(len(ids), IDS_MAX)
    brought = [each.brought for each in found]
    assert brought == sorted(brought, reverse=True)
    assert sum(brought) == min(IDS_MAX, sum(each.brought for each in ids))
    assert len(packed) <= IDS_MAX * 66


@given(st.binary(max_size=5000))
def test_any_header_is_read_without_harm(value: bytes) -> None:
    for each in unpack_ids(value):
        assert each.text.isascii()
