from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cloudevents.columns import EventColumns, split_batch
from core.cloudevents.contract import admit
from core.cloudevents.json_format import EVENTS_PER_REQUEST_MAX, decode_batch
from core.endpoints import Endpoints
from core.envelope import ENVELOPE_BYTES_MAX, decode_envelope, encode_envelope
from core.events import EVENT_BYTES_MAX
from ingest.settings import IngestSettings

SETTINGS = IngestSettings(Endpoints("k", "c", "p"), Path("unused"))


def columns_of(events: int, event_bytes: int) -> EventColumns:
    event = {"specversion": "1.0", "id": "", "source": "s", "type": "t", "subject": "u" * 256}
    filler = event_bytes - len(json.dumps(event | {"id": "9" * 9, "data": {"x": ""}}))
    sent = [
        event | {"id": f"{number:09}", "data": {"x": "x" * max(0, filler)}}
        for number in range(events)
    ]
    admitted = admit(decode_batch(json.dumps(sent).encode()), "t" * 36, 0, escaped=False)
    assert not admitted.rejections
    return admitted.columns


@pytest.mark.parametrize(
    ("events", "event_bytes"),
    [(1, EVENT_BYTES_MAX), (40, EVENT_BYTES_MAX), (EVENTS_PER_REQUEST_MAX, 900), (5_000, 0)],
)
def test_workers_read_the_largest_envelopes_that_ingest_makes(
    events: int, event_bytes: int
) -> None:
    batch = columns_of(events, event_bytes).as_batch()
    pieces = list(split_batch(batch, SETTINGS.envelope_events_max, SETTINGS.envelope_bytes_max))
    values = [encode_envelope(piece) for piece in pieces]
    assert max(map(len, values)) < ENVELOPE_BYTES_MAX
    assert sum(decode_envelope(value).num_rows for value in values) == events
    for piece, value in zip(pieces, values, strict=True):
        assert decode_envelope(value).equals(piece)
