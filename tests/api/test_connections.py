"""Slow, broken and too many clients: each is ended in time, told why, and delays nobody."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.types import Receive, Scope, Send

from api.connections import (
    AT_ONCE,
    AtOnce,
    ConnectionLimits,
    GuardedProtocol,
)
from core import metric_names
from core.clock import monotonic_seconds
from tests.api.serving import serving

_SHORT = ConnectionLimits(
    head_seconds=0.5,
    head_bytes_max=4_000,
    body_seconds=0.8,
    answer_seconds=0.5,
    idle_seconds=1,
    sweep_seconds=0.1,
)
_FEW = ConnectionLimits(connections_max=20)
_LONG = 30.0
"""Far more than anything here takes on a machine that does something else."""


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body; `/unread` does so at once, `/large` at length.

    `/whole` writes it whole where that may be; `/whole/late` once what came behind it came, too.
    """
    size, more = 0, scope["path"] != "/unread"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = b"x" * 50_000_000 if scope["path"] == "/large" else str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    if scope["path"] == "/whole/late":
        await asyncio.sleep(0.2)
    if scope["path"].startswith("/whole"):
        connection: AtOnce = scope["state"][AT_ONCE]
        if connection.answer_whole(scope, 200, headers, body):
            return
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for start in range(0, len(body), 1_000_000):
        piece = body[start : start + 1_000_000]
        more = start + len(piece) < len(body)
        await send({"type": "http.response.body", "body": piece, "more_body": more})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(_app, _SHORT) as port:
        yield port


def _connect(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(_LONG)
    return client


def _rest(client: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    found = b""
    try:
        while piece := client.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def _error_of(answer: bytes, status: int) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"connection: close" in head
    said = json.loads(body)
    assert said["success"] is False
    return dict(said["error"])


def _ended(reason: str) -> float:
    name = f"{metric_names.HTTP_CONNECTIONS_ENDED}_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


def _drip(client: socket.socket, text: bytes) -> None:
    """Send byte by byte until the server has had enough."""
    deadline = monotonic_seconds() + _LONG
    try:
        for number in range(10_000):
            client.send(text[number % len(text) : number % len(text) + 1])
            time.sleep(0.05)
            assert monotonic_seconds() < deadline, "the server takes it for ever"
    except OSError:
        return


@pytest.mark.parametrize(
    "request_",
    [
        b"POST %s HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
        b"POST %s HTTP/1.1\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc",
        b"POST %s HTTP/1.0\r\ncontent-length: 3\r\n\r\nabc",
        b"POST %s HTTP/1.1\r\ncontent-length: 0\r\nexpect: 100-continue\r\n\r\n",
        b"POST %s HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc" * 3,
    ],
)
@pytest.mark.parametrize("path", [b"/whole", b"/whole/late"])
def test_a_whole_answer_has_the_bytes_of_the_usual_one(
    port: int, request_: bytes, path: bytes
) -> None:
    answers = []
    for asked in (b"/", path):
        with _connect(port) as client:
            client.sendall(request_.replace(b"%s", asked))
            answer = _rest(client)  # at the latest when it is idle
            answers.append(re.sub(rb"date: [^\r]*", b"date: now", answer))
    assert answers[0] == answers[1]
    assert answers[0].count(b"HTTP/1.1 200 OK\r\n") == request_.count(b"POST")


def test_a_whole_answer_to_a_client_that_went_hurts_nobody(port: int) -> None:
    with _connect(port) as client:
        client.sendall(b"POST /whole/late HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
    time.sleep(0.4)
    test_a_whole_answer_has_the_bytes_of_the_usual_one(
        port, b"GET %s HTTP/1.1\r\nconnection: close\r\n\r\nPOST", b"/whole"
    )


def test_a_closed_connection_leaves_nothing_for_the_collector() -> None:
    with serving(_app, _FEW) as port:
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                with _connect(port) as client:
                    client.sendall(b"POST /unread HTTP/1.1\r\nconnection: close\r\n")
                    client.sendall(b"content-length: 50000\r\n\r\n" + b"x" * 50_000)
                    _rest(client)
            deadline = monotonic_seconds() + _LONG
            while len(left := _protocols()) > 1:
                assert monotonic_seconds() < deadline, left
                time.sleep(0.05)
        finally:
            gc.enable()


def _protocols() -> list[GuardedProtocol]:
    return [each for each in gc.get_objects() if isinstance(each, GuardedProtocol)]


def test_an_idle_connection_keeps_nothing_of_a_body_that_nobody_read() -> None:
    with serving(_app, _FEW) as port, _connect(port) as client:
        client.sendall(b"POST /unread HTTP/1.1\r\ncontent-length: 60000\r\n\r\n" + b"x" * 50_000)
        answer = client.recv(65_536)
        assert answer.endswith(b"0"), answer
        deadline = monotonic_seconds() + _LONG
        while any(len(each.cycle.body) for each in _protocols()):
            assert monotonic_seconds() < deadline
            time.sleep(0.05)


def test_the_next_head_behind_a_long_body_is_not_taken_for_a_long_head(port: int) -> None:
    body = b"x" * 50_000
    with _connect(port) as client:
        head = b"POST / HTTP/1.1\r\ncontent-length: 50000\r\n\r\n"
        client.sendall(head + body[:25_000])
        time.sleep(0.1)
        client.sendall(body[25_000:] + head[:20])
        time.sleep(0.1)
        client.sendall(head[20:-2] + b"connection: close\r\n\r\n" + body)
        assert _rest(client).count(b"HTTP/1.1 200 OK") == 2


def test_good_requests_go_through_several_on_a_connection() -> None:
    with serving(_app, _FEW) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for size in (0, 1, 100_000, 3_000_000):
            assert client.post("/", content=b"x" * size).text == str(size)
            assert client.get("/").status_code == 200


def test_a_head_that_comes_byte_by_byte_is_ended_in_time(port: int) -> None:
    before = _ended("slow_head")
    with _connect(port) as client:
        _drip(client, b"POST / HTTP/1.1\r\nX-A: " + b"a" * 10_000)
        assert _ended("slow_head") == before + 1


def test_a_head_that_stops_is_told_why(port: int) -> None:
    with _connect(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n")
        error = _error_of(_rest(client), 408)
    assert error["code"] == "request_timeout"
    assert error["message"] == "the head did not end in 0.5 s"


@pytest.mark.parametrize("first", [b"", b"\r\n"])
def test_a_connection_that_says_nothing_is_closed(port: int, first: bytes) -> None:
    with _connect(port) as client:
        client.sendall(first)
        assert not _rest(client).startswith(b"HTTP/1.1 2")


def test_empty_lines_do_not_keep_an_idle_connection(port: int) -> None:
    before = _ended("slow_head")
    with _connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        _drip(client, b"\r\n")
    assert _ended("slow_head") == before + 1


def test_an_idle_connection_is_closed(port: int) -> None:
    with _connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = _rest(client)
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
def test_a_body_that_does_not_end_is_told_why(port: int, framing: bytes) -> None:
    before = _ended("slow_body")
    with _connect(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
        client.sendall(b"5\r\nabc")
        error = _error_of(_rest(client), 408)
    assert error["message"] == "the body did not end in 0.8 s"
    assert _ended("slow_body") == before + 1


def test_a_body_that_nobody_waits_for_is_not_waited_for_either(port: int) -> None:
    with _connect(port) as client:
        client.sendall(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx")
        answer = _rest(client)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_head_has_a_size(port: int) -> None:
    with _connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        for _ in range(100):
            try:
                client.sendall(b"X-A: " + b"a" * 200 + b"\r\n")
            except OSError:
                break
            time.sleep(0.01)
        answer = _rest(client)
    if answer:  # the reset of what was still on its way may have overtaken it
        assert _error_of(answer, 431)["code"] == "head_too_large"
    assert _ended("long_head") >= 1


def test_what_is_not_http_is_answered_in_our_form(port: int) -> None:
    with _connect(port) as client:
        client.sendall(b"hello there\r\n\r\n")
        assert _error_of(_rest(client), 400)["code"] == "validation_error"


def test_a_client_that_does_not_read_is_left(port: int) -> None:
    before = _ended("slow_reader")
    with _connect(port) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        deadline = monotonic_seconds() + _LONG
        while _ended("slow_reader") == before:
            assert monotonic_seconds() < deadline
            time.sleep(0.05)


def test_connections_have_a_number_and_one_that_ends_makes_room() -> None:
    with serving(_app, _FEW) as port, ExitStack() as opened:
        held = [opened.enter_context(_connect(port)) for _ in range(20)]
        for client in held:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        with _connect(port) as late:
            late.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = _rest(late)
        assert b"retry-after: 1" in answer.partition(b"\r\n\r\n")[0]
        assert _error_of(answer, 503)["code"] == "dependency_down"
        quiet = [opened.enter_context(_connect(port)) for _ in range(10)]
        assert _rest(quiet[-1]) == b""  # far too many: closed without a word
        held[0].sendall(b"123456789")
        assert held[0].recv(4096).startswith(b"HTTP/1.1 200 ")
        opened.close()
        deadline = monotonic_seconds() + _LONG
        while True:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/", timeout=_LONG).status_code == 200
                break
            except (AssertionError, httpx.TransportError):
                assert monotonic_seconds() < deadline
                time.sleep(0.1)


def test_slow_ones_do_not_delay_others() -> None:
    with serving(_app, _FEW) as port, ExitStack() as opened:
        for _ in range(15):
            slow = opened.enter_context(_connect(port))
            slow.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1")
        began = monotonic_seconds()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_LONG) as client:
            for _ in range(50):
                assert client.post("/", content=b"x").text == "1"
        assert monotonic_seconds() - began < _LONG
