"""One event as a sender wrote it, and the verdict on one that breaks the contract."""

from __future__ import annotations

from typing import Final

import msgspec

NO_DATA: Final = msgspec.Raw(b"")


class WireEvent(msgspec.Struct, frozen=True, gc=False):
    """The CloudEvents attributes that Tollbook reads; extension attributes are ignored.

    An attribute that is null counts as absent, as the CloudEvents JSON format says. `data` is the
    exact JSON text received, empty where none was sent.
    """

    specversion: str | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    time: str | None = None
    data: msgspec.Raw = NO_DATA
    data_base64: str | None = None


class Rejection(msgspec.Struct, frozen=True):
    """Why the event at `index` of a request was not accepted; `id` is null where unreadable."""

    index: int
    id: str | None
    code: str
    message: str
