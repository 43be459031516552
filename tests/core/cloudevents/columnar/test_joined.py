"""Bodies read as one give what each gives alone, or nothing."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from core.clock import epoch_micros
from core.cloudevents.columnar.admitting import admit_clean_either, admit_joined
from tests.core.cloudevents.columnar.test_admitting import EVENT, NOW, TENANT

_AT = epoch_micros(NOW)
_OLD = EVENT | {"time": "2025-01-01T00:00:00Z"}
_TREE = EVENT | {"data": {"a": [1, {"b": []}, [{}]]}}
_PLAIN = {name: text for name, text in EVENT.items() if name not in {"time", "data"}}
_events = st.sampled_from([EVENT, _OLD, _TREE, _PLAIN]).map(json.dumps)
_space = st.sampled_from(["", " ", "\n\t "])
_arrays = st.lists(_events, min_size=1, max_size=3).map(lambda some: "[" + ",".join(some) + "]")
_bodies = st.tuples(_space, _events | _arrays, _space).map(lambda parts: "".join(parts).encode())


def _alone(bodies: list[bytes]) -> tuple[pa.Table, list[int], list[int]] | None:
    """The same, body by body."""
    found = [admit_clean_either(body, TENANT, _AT) for body in bodies]
    clean = [each for each in found if each is not None and each.batch.num_rows]
    if len(clean) < len(bodies):
        return None
    return (
        pa.Table.from_batches([each.batch for each in clean]),
        [each.batch.num_rows for each in clean],
        [each.old_count for each in clean],
    )


@given(st.lists(_bodies, min_size=1, max_size=6))
def test_clean_bodies_are_read_as_one(bodies: list[bytes]) -> None:
    joined, alone = admit_joined(bodies, TENANT, _AT), _alone(bodies)
    assert joined is not None
    assert alone is not None
    table, counts, old_counts = alone
    assert pa.Table.from_batches([joined.batch]).equals(table)
    assert joined.counts.tolist() == counts
    assert joined.old_counts.tolist() == old_counts


@given(st.lists(_bodies, min_size=1, max_size=4), st.data())
def test_nothing_is_taken_that_a_body_does_not_say_alone(
    bodies: list[bytes], data: st.DataObject
) -> None:
    """Cut and glued anywhere, so that whole events lie in two bodies, and brackets are missing."""
    text = data.draw(st.sampled_from([b",", b"", b"]", b"["])).join(bodies)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 2))
        text = (
            text[:at]
            + data.draw(st.sampled_from([b"", b"[", b"]", b",", b"{", b"}"]))
            + text[at + cut :]
        )
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    parts = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    joined, alone = admit_joined(parts, TENANT, _AT), _alone(parts)
    if joined is not None:
        assert alone is not None
        assert pa.Table.from_batches([joined.batch]).equals(alone[0])
        assert joined.counts.tolist() == alone[1]


def test_an_event_that_lies_in_two_bodies_is_not_taken() -> None:
    whole = json.dumps([_TREE])
    for at in range(1, len(whole)):
        head, tail = whole[:at], whole[at:]
        for parts in (
            (head, tail),
            (head + "]", "[" + tail),
            (head.rstrip(", "), tail.lstrip(", ")),
        ):
            assert admit_joined([part.encode() for part in parts], TENANT, _AT) is None


def test_two_events_without_brackets_are_not_taken() -> None:
    one = json.dumps(EVENT).encode()
    assert admit_joined([one, one], TENANT, _AT) is not None
    assert admit_joined([one + b"," + one], TENANT, _AT) is None


def test_an_empty_array_is_read_alone() -> None:
    assert admit_joined([b"[]", json.dumps(EVENT).encode()], TENANT, _AT) is None
    assert admit_joined([b""], TENANT, _AT) is None
