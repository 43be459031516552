"""What makes an invoice checkable: ids that are found again, and the one form of its document."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from core.clock import epoch_micros
from core.ids import uuid7_of

_RANDOM_BITS: Final = 74


def canonical_json(value: Any) -> bytes:
    """The one UTF-8 form of a JSON value: keys sorted, no spaces. It must hold no float."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def derived_uuid(at: datetime, *names: str) -> UUID:
    """A UUIDv7 of `at` whose random part is a hash of `names`: the same names, the same id.

    A preview, a run and its repeat after a kill so speak of the same invoice by the same id.
    """
    digest = hashlib.sha256(canonical_json(names)).digest()
    random_bits = int.from_bytes(digest, "big") & ((1 << _RANDOM_BITS) - 1)
    return uuid7_of(epoch_micros(at) // 1000, random_bits)
