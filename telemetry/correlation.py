"""The id of a request: brought by the caller or made, the same in the logs of every hop.

A record of the log carries the ids of the requests whose events it holds, so that the lines of
ingest, of a worker and of ClickHouse about one request are found by one text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Final, NamedTuple

REQUEST_ID_HEADER: Final = "X-Request-Id"
"""Name of the HTTP header, in requests and answers."""

IDS_HEADER: Final = "tollbook-request-ids"
"""Kafka header of an envelope: ids of its requests, separated by spaces; those that were brought by
their callers come first, each with a `+` before it."""

IDS_MAX: Final = 32
"""Most ids in one Kafka header: an envelope may hold the events of thousands of requests."""

_BROUGHT: Final = "+"
_ID: Final = re.compile(r"[A-Za-z0-9._:/=@-]{1,64}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


_made: Final = random.Random()  # noqa: S311 - no secret
"""Ids need to differ, and nobody is kept from guessing them: the system's source is far slower."""


class RequestId(NamedTuple):
    """An id, and whether its caller brought it: who does wants to find it, so it is logged."""

    text: str
    brought: bool


NO_REQUEST: Final = RequestId("", brought=False)

current_request: ContextVar[RequestId] = ContextVar("request_id", default=NO_REQUEST)
"""The request that the running code works for."""


def request_id_of(headers: Mapping[str, str]) -> RequestId:
    """The id that the headers bring (`x-request-id`, else the trace id of `traceparent`), or one.

    An id that is no short plain text is replaced: it goes into headers and logs.
    """
    given = headers.get("x-request-id")
    if given is not None and _ID.fullmatch(given):
        return RequestId(given, brought=True)
    parent = headers.get("traceparent")
    if parent is not None and (found := _TRACEPARENT.fullmatch(parent)):
        return RequestId(found[1], brought=True)
    return RequestId(_made.randbytes(16).hex(), brought=False)


def pack_ids(ids: Iterable[RequestId]) -> bytes:
    """The value of `IDS_HEADER`: at most `IDS_MAX` ids, those brought by callers first."""
    known = list(ids)
    texts = dict.fromkeys(_BROUGHT + text for text, brought in known if brought)
    if len(texts) < IDS_MAX:
        texts |= dict.fromkeys(text for text, brought in known if text and not brought)
    return " ".join(list(texts)[:IDS_MAX]).encode()


def unpack_ids(value: bytes) -> list[RequestId]:
    """Read `pack_ids` back; anything else in a header is left out."""
    found = []
    for text in value[: IDS_MAX * 80].decode("ascii", "replace").split()[:IDS_MAX]:
        plain = text.removeprefix(_BROUGHT)
        if _ID.fullmatch(plain):
            found.append(RequestId(plain, brought=plain != text))
    return found
