"""A small real HTTP server that answers as it is told to, and remembers what it was sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer; `status` 0 drops the connection without any; `seconds` is how late it comes."""

    status: int = 202
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Receiver:
    """Answers with `replies` in order, then with `usual`: accepts everything."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    usual: Reply = field(default_factory=Reply)
    arrivals: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)

    def batches(self) -> list[list[dict[str, Any]]]:
        """All bodies received, parsed with exact numbers."""
        return [json.loads(body, parse_float=Decimal) for body in self.bodies]

    def ids(self) -> list[str]:
        """The ids of all events received, as often as they came."""
        return [event["id"] for batch in self.batches() for event in batch]

    def accepted_events(self) -> list[tuple[str, str]]:
        """Source and id of the events that it said it accepted, as often as it did."""
        return [
            (event["source"], event["id"]) for body in self.accepted for event in json.loads(body)
        ]


@contextmanager
def running_receiver(
    port: int = 0, answer: Callable[[bytes], Reply] | None = None
) -> Iterator[Receiver]:
    """A receiver on a port of this machine, a free one unless it is given.

    `answer` decides by the body what to say, instead of the receiver's replies.
    """
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed
                self.close_connection = True
                return
            receiver.arrivals.append(time.monotonic())
            receiver.bodies.append(body)
            receiver.headers.append({**self.headers, "path": self.path})
            if answer is not None:
                reply = answer(body)
            else:
                reply = receiver.replies.pop(0) if receiver.replies else receiver.usual
            time.sleep(reply.seconds)
            if reply.status == 0:
                self.close_connection = True
                return
            if reply.status == 202:
                receiver.accepted.append(body)
            accepted = {"accepted": len(json.loads(body)), "rejected": [], "notices": []}
            content = json.dumps(accepted if reply.body is None else reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Quiet: tests kill senders in the middle of a request."""

    with Server(("127.0.0.1", port), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
