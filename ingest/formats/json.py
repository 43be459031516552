"""CloudEvents in JSON: one structured event, an array of them, or plain JSON that is either."""

from __future__ import annotations

from typing import Final

from core.cloudevents import json_format
from core.cloudevents.columnar.admitting import (
    admit_clean,
    admit_clean_either,
    admit_clean_single,
)
from ingest.formats.wire_format import WireFormat

SINGLE_TYPE: Final = "application/cloudevents+json"
BATCH_TYPE: Final = "application/cloudevents-batch+json"
EITHER_TYPE: Final = "application/json"

SINGLE: Final = WireFormat(json_format.decode_single, admit_clean_single, b"{", is_json=True)
BATCH: Final = WireFormat(json_format.decode_batch, admit_clean, b"[", is_json=True)
EITHER: Final = WireFormat(json_format.decode_either, admit_clean_either, b"{[", is_json=True)
