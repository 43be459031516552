"""HTTP requests made in advance, in a file: sending them costs a client almost nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from benchmarks.events import EVENT_TYPE, SOURCE, Event

_HEAD: Final = Struct("<II")
_CONTENT_TYPE: Final = "application/cloudevents-batch+json"


class Prepared(NamedTuple):
    """One request, head and body, with the number of events in it."""

    events: int
    request: bytes


def write_requests(
    path: Path, events: Iterator[Event], many: int, batch: int, url: str, api_key: str
) -> None:
    """Write `many` of the events as requests of `batch` events each."""
    host = urlsplit(url).netloc
    with path.open("wb") as file:
        while many:
            some = list(islice(events, min(batch, many)))
            many -= len(some)
            request = _request(some, host, api_key)
            file.write(_HEAD.pack(len(some), len(request)))
            file.write(request)


def read_requests(path: Path) -> Iterator[Prepared]:
    """The requests of a file, in order."""
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            events, size = _HEAD.unpack(head)
            yield Prepared(events, file.read(size))


def _request(events: Sequence[Event], host: str, api_key: str) -> bytes:
    body = b"[" + b",".join(map(wire_of, events)) + b"]"
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {api_key}\r\n"
        f"Content-Type: {_CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def wire_of(event: Event) -> bytes:
    """An event as a sender writes it: CloudEvents JSON."""
    head = (
        f'{{"specversion":"1.0","id":"{event.id}","source":"{SOURCE}","type":"{EVENT_TYPE}",'
        f'"subject":"{event.subject}","time":"{event.time_text}","data":'
    )
    return head.encode() + event.data + b"}"
