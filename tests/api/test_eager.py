"""A request that comes in one piece is answered as one that comes in two, over real connections."""

from __future__ import annotations

import gc
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from api.connections import ConnectionLimits, EagerApp, GuardedProtocol
from core.clock import monotonic_seconds
from ingest.router import EVENTS_PATH
from tests.api.serving import serving
from tests.api.test_hot_path import BAD, GOOD, make_app

_LONG: Final = 120.0
_PAUSE: Final = 0.1
_HEAD: Final = {"host": "h", "authorization": "Bearer x", "content-type": "application/json"}


_SHORT: Final = ConnectionLimits(head_seconds=0.5, idle_seconds=10, sweep_seconds=0.1)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    app = make_app(tmp_path_factory.mktemp("eager"), [], hot=True)
    assert isinstance(app, EagerApp)
    with serving(app, ConnectionLimits()) as port:
        yield port


def request_of(
    events: object, number: int = 1, version: str = "1.1", **headers: str
) -> tuple[bytes, bytes]:
    body = json.dumps(events).encode()
    named = {"x-request-id": f"r-{number}", "content-length": str(len(body))}
    fields = _HEAD | {name.replace("_", "-"): text for name, text in headers.items()} | named
    head = f"POST {EVENTS_PATH} HTTP/{version}\r\n"
    head += "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return head.encode() + b"\r\n", body


def exchange(port: int, *pieces: bytes) -> bytes:
    """Everything that the server says to these pieces, sent one after the other, until it ends."""
    with closing(socket.create_connection(("127.0.0.1", port), _LONG)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, piece in enumerate(pieces):
            time.sleep(_PAUSE if number else 0)
            client.sendall(piece)
        said = b""
        while piece := client.recv(65_536):
            said += piece
    return said


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    ("events", "headers", "status"),
    [
        ([GOOD], {}, 202),
        (GOOD, {"accept": "application/problem+json"}, 202),
        ([GOOD, BAD], {}, 202),
        ([BAD], {}, 400),
        ([], {}, 202),
        ("text", {}, 400),
        ([GOOD] * 1000, {}, 202),
        ([GOOD], {"authorization": "Basic x"}, 500),
        ([GOOD], {"authorization": ""}, 401),
        ([GOOD], {"authorization": "Bearer spent"}, 429),
        ([GOOD | {"subject": "down"}], {}, 503),
        ([GOOD | {"subject": "down"}], {"accept": "application/problem+json"}, 503),
        ([GOOD | {"subject": "broken"}], {}, 500),
        ([GOOD], {"expect": "100-continue"}, 202),
        ([GOOD], {"content_type": "text/html"}, 415),
    ],
)
def test_one_piece_is_answered_as_two(
    port: int, events: object, headers: dict[str, Any], status: int, version: str
) -> None:
    head, body = request_of(events, version=version, connection="close", **headers)
    whole, halved = exchange(port, head + body), exchange(port, head, body)
    if headers.get("expect"):  # who sends the body at once needs no leave
        halved = halved.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        whole = whole.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert whole == halved
    assert whole.startswith(b"HTTP/1.1 %d " % status), whole


def test_requests_behind_one_another_are_answered_in_order(port: int) -> None:
    kinds = [GOOD, BAD, GOOD | {"subject": "down"}, GOOD, GOOD | {"subject": "broken"}, GOOD]
    requests = [b"".join(request_of([event], number)) for number, event in enumerate(kinds)]
    requests.append(b"".join(request_of([GOOD], len(kinds), connection="close")))
    said = exchange(port, b"".join(requests))
    assert [line for line in said.split(b"\r\n") if line.startswith(b"x-request-id")] == [
        b"x-request-id: r-%d" % number for number in range(len(requests))
    ]
    statuses = [part.split(b" ")[0] for part in said.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"202", b"400", b"503", b"202", b"500", b"202", b"202"]


def test_a_request_behind_a_piece_of_the_next_is_answered_first(port: int) -> None:
    """The next one is held back until its body comes, and then answered, too."""
    first, next_ = request_of([GOOD], 1), request_of([GOOD], 2, connection="close")
    cut = len(next_[0]) + 5
    both = b"".join(next_)
    said = exchange(port, b"".join(first) + both[:cut], both[cut:])
    assert said.count(b"HTTP/1.1 202 ") == 2
    assert said.index(b"r-1") < said.index(b"r-2")


def test_clients_that_leave_before_their_answer_hurt_nobody(port: int) -> None:
    for number in range(50):
        with closing(socket.create_connection(("127.0.0.1", port), _LONG)) as client:
            client.sendall(b"".join(request_of([GOOD], number)))
    began = monotonic_seconds()
    assert exchange(port, *request_of([GOOD], connection="close")).startswith(b"HTTP/1.1 202")
    assert monotonic_seconds() - began < _LONG


@pytest.mark.parametrize(
    "first", [b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n", b"".join(request_of([GOOD]))]
)
def test_any_number_behind_one_another_is_answered_though_all_are_refused(
    port: int, first: bytes
) -> None:
    refused = b"".join(request_of([GOOD], authorization=""))
    last = b"".join(request_of([GOOD], authorization="", connection="close"))
    said = exchange(port, first + refused * 1_500 + last)
    assert said.count(b"HTTP/1.1 401 ") == 1_501


def test_a_head_behind_another_request_is_told_to_go_on(port: int) -> None:
    head, body = request_of([GOOD], 2, expect="100-continue", connection="close")
    with closing(socket.create_connection(("127.0.0.1", port), _LONG)) as client:
        client.sendall(b"".join(request_of([GOOD], 1)) + head)
        said = b""
        while b"HTTP/1.1 100 " not in said:
            said += client.recv(65_536)
        client.sendall(body)
        while piece := client.recv(65_536):
            said += piece
    assert said.count(b"HTTP/1.1 202 ") == 2


def test_a_connection_that_was_answered_at_once_is_idle(tmp_path: Path) -> None:
    refused = b"".join(request_of([GOOD], authorization=""))
    with serving(make_app(tmp_path, [], hot=True), _SHORT) as port:
        said = exchange(
            port, refused, *[b""] * 10, b"".join(request_of([GOOD], connection="close"))
        )
    assert said.count(b"HTTP/1.1 401 ") == said.count(b"HTTP/1.1 202 ") == 1


def test_connections_that_ended_leave_nothing_for_the_collector(port: int) -> None:
    def alive() -> int:
        return sum(isinstance(each, GuardedProtocol) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()
        for number in range(20):
            exchange(port, b"".join(request_of([GOOD], number, connection="close")))
        deadline = monotonic_seconds() + _LONG
        while alive() > before + 1 and monotonic_seconds() < deadline:
            time.sleep(_PAUSE)
        assert alive() <= before + 1
    finally:
        gc.enable()
