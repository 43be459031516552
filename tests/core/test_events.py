from __future__ import annotations

from uuid import UUID

import xxhash
from hypothesis import given
from hypothesis import strategies as st

from core.events import content_hash, event_key, partition_of

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)


def prefixed(*parts: bytes) -> bytes:
    """Each part after its length in four bytes, the lowest first: the definition, plainly."""
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


@given(st.uuids(), _TEXT, _TEXT)
def test_a_key_is_the_hash_of_the_length_prefixed_triple(
    tenant: UUID, source: str, event_id: str
) -> None:
    triple = prefixed(str(tenant).encode(), source.encode(), event_id.encode())
    assert event_key(str(tenant), source, event_id) == xxhash.xxh3_128_digest(triple)


@given(_TEXT, _TEXT, st.none() | st.text("0123456789-:TZ", max_size=40), st.binary())
def test_the_content_hash_covers_what_was_sent_and_only_that(
    event_type: str, subject: str, time_text: str | None, data: bytes
) -> None:
    time = b"" if time_text is None else b"\x01" + time_text.encode()
    sent = prefixed(event_type.encode(), subject.encode(), time, data)
    assert content_hash(event_type, subject, time_text, data) == xxhash.xxh3_64_intdigest(sent)


def test_shifting_a_letter_between_attributes_makes_another_event() -> None:
    assert event_key("t", "ab", "c") != event_key("t", "a", "bc")
    assert content_hash("ab", "c", None, b"{}") != content_hash("a", "bc", None, b"{}")
    assert content_hash("a", "b", "", b"{}") != content_hash("a", "b", None, b"{}")


@given(st.binary(min_size=16, max_size=16), st.integers(1, 1000))
def test_the_partition_is_the_key_modulo_their_number(key: bytes, partitions: int) -> None:
    expected = 0
    for byte in key:
        expected = (expected * 256 + byte) % partitions
    assert partition_of(key, partitions) == expected
