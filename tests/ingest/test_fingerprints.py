from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.events import content_hash, event_key
from ingest.fingerprints import content_of, key_head, key_of

_ATTRIBUTES = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)


@given(tenant=st.uuids(), source=_ATTRIBUTES, event_id=_ATTRIBUTES)
def test_the_key_is_that_of_the_contract(tenant: UUID, source: str, event_id: str) -> None:
    key = key_of(key_head(str(tenant)), source.encode(), event_id.encode())
    assert key == event_key(str(tenant), source, event_id)


@given(_ATTRIBUTES, _ATTRIBUTES, st.none() | st.text("0123456789-:TZ", max_size=40), st.binary())
def test_the_content_hash_is_that_of_the_contract(
    event_type: str, subject: str, time_text: str | None, data: bytes
) -> None:
    ours = content_of(event_type.encode(), subject.encode(), time_text, data)
    assert ours == content_hash(event_type, subject, time_text, data)
