"""Bodies of every format, whole and damaged, sent to the ingest application on a real log.

`python -m tests.faults.ingest_fuzz --seed S --requests N` prints what became of them as JSON, with
the servers that KAFKA_BOOTSTRAP_SERVERS and so on name. A process of its own: a decoder that reads
past a buffer ends a process, not a test.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI
from starlette.types import ASGIApp

from api.body_room import Room
from api.hot_path import HotPath
from api.problems import install_problem_handlers
from catalog.snapshot import ApiKeyPrincipal
from core.clock import SystemClock
from core.endpoints import Endpoints
from core.ids import TenantId
from ingest.intake import Intake
from ingest.kafka_log import KafkaLog
from ingest.limits.account import Defaults
from ingest.limits.limiter import Limiter, Sender
from ingest.limits.shared_slots import SharedSlots
from ingest.publisher import Publisher
from ingest.router import EVENTS_PATH, create_router
from ingest.settings import IngestSettings
from tests.ingest.formats.test_contract import WRITERS
from tests.ingest.test_encodings import COMPRESSORS

_SENDER: Final = ApiKeyPrincipal(TenantId(UUID(int=1)), UUID(int=2), frozenset())
_TOGETHER: Final = 64
_TEXTS: Final = (
    "x", "s" * 256, "s" * 257, "", " ", "é" * 130, "\U0001f600" * 64, 'a "quoted", text', "a\nb",
    "%41", "\x00", "null", "0",
)  # fmt: skip
_TIMES: Final = (
    "2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
    "2026-01-01T00:00:00+23:59", "2026-02-29T00:00:00Z", "never", "",
    "2026-01-01T00:00:00.1234567Z",
)  # fmt: skip
_DATA: Final = (
    "{}", '{"a":1}', '{"a":1e400}', '{"a":NaN}', '{"a":"\\u0000"}', '{"a":"\\ud800"}', "[]", "1",
    "null", '{"a":1,"a":2}', '{"a":' * 64 + "1" + "}" * 64, '{"a":' * 65 + "1" + "}" * 65, "{",
    '{"text":"' + "x" * 300_000 + '"}', '{"é":"\U0001f600"}', '{ "a" : [ 1 , { } ] }', "",
)  # fmt: skip
_SOMETIMES: Final = 0.1


def _event(rng: random.Random, number: str) -> dict[str, str]:
    """Mostly good."""

    def text(good: str) -> str:
        return rng.choice(_TEXTS) if rng.random() < _SOMETIMES else good

    return {
        "specversion": rng.choice(("1.0", "1.0", "1.0", "1.0", "0.3")),
        "id": text(number), "source": text("/a"), "type": text("t"), "subject": text("s"),
        "time": rng.choice(_TIMES) if rng.random() < _SOMETIMES else _TIMES[0],
        "data": rng.choice(_DATA) if rng.random() < _SOMETIMES else _DATA[1],
    }  # fmt: skip


def _request(rng: random.Random, number: int) -> tuple[dict[str, str], bytes]:
    """Headers and body: half of them damaged, some with headers that belong to another body."""
    media_type = rng.choice(list(WRITERS))
    events = [_event(rng, f"{number}-{n}") for n in range(rng.choice((1, 1, 2, 5)))]
    headers = {"content-type": media_type}
    if rng.random() < _SOMETIMES:
        headers = {f"ce-{name}": text for name, text in events[0].items() if name != "data"}
        headers |= {"content-type": "application/json"}
        body = events[0]["data"].encode()
    else:
        body = WRITERS[media_type](events)
    if rng.random() < 0.5:
        body = _damaged(rng, body)
    if rng.random() < 0.3:
        name = rng.choice(list(COMPRESSORS))
        headers["content-encoding"] = name
        body = COMPRESSORS[name](body)
        if rng.random() < 0.5:
            body = _damaged(rng, body)
    if rng.random() < _SOMETIMES:
        headers["content-type"] = rng.choice([*WRITERS, "text/html", "", "application/json;;=x"])
    return headers, body


def _damaged(rng: random.Random, body: bytes) -> bytes:
    """A few bytes overwritten, cut out, put in or turned, or the end gone."""
    out = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(out) + 1)
        way = rng.randrange(5)
        if way == 0:
            out[at : at + rng.randrange(5)] = rng.randbytes(rng.randrange(5))
        elif way == 1:
            out[at:at] = rng.choice((b"{", b"}", b'"', b",", b"\x00", b"\xff", b"\\u0000", b"\n"))
        elif way == 2 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif way == 3 and len(out) > 8:
            size = rng.choice((1, 2, 4, 8))
            at = rng.randrange(len(out) - 8)
            out[at : at + size] = rng.choice((b"\xff", b"\x00", b"\x7f", b"\x80")) * size
        else:
            del out[at + rng.randrange(20) :]
    return bytes(out)


async def _send(app: ASGIApp, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
    status, answer = 0, b""
    parts = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(parts)

    async def send(message: Any) -> None:
        nonlocal status, answer
        status = message.get("status", status)
        answer += message.get("body", b"")

    raw = [(name.encode(), text.encode(errors="replace")) for name, text in headers.items()]
    await app(
        {
            "type": "http", "method": "POST", "path": EVENTS_PATH, "headers": raw,
            "query_string": b"", "root_path": "", "http_version": "1.1", "scheme": "http",
            "raw_path": EVENTS_PATH.encode(), "server": ("test", 80), "client": ("test", 1),
        },
        receive,
        send,
    )  # fmt: skip
    return status, json.loads(answer)


def _check(status: int, said: dict[str, Any], done: Counter[str]) -> None:
    """Every answer is honest about each event."""
    done[str(status)] += 1
    verdicts = said if status == 202 else said["error"]["details"]
    if status != 202:
        assert status in {400, 413, 415}, said
        assert said["error"]["message"]
        if "rejected" not in verdicts:
            return
    places = [each["index"] for each in verdicts["rejected"]]
    assert places == sorted(set(places)), said
    assert all(each["code"] and each["message"] for each in verdicts["rejected"]), said
    done["accepted"] += verdicts["accepted"]
    done["rejected"] += len(places)


async def fuzz(
    endpoints: Endpoints, folder: Path, rng: random.Random, requests: int
) -> Counter[str]:
    """Send so many; what was answered, by status, and how many events were accepted."""
    settings = IngestSettings(endpoints, Path("unused"))
    log, done = KafkaLog(settings), Counter[str]()
    await log.first_probe()
    intake = Intake(Publisher(log, settings), SystemClock())
    app = FastAPI()
    install_problem_handlers(app)
    limiter = Limiter(SharedSlots(folder / "limits"), Defaults())

    def sender_of(_authorization: str, declared_bytes: int) -> Sender:
        return limiter.sender(_SENDER, declared_bytes)

    app.include_router(create_router(lambda: intake, sender_of))
    server = HotPath(app, lambda: intake, sender_of, Room(settings.bodies_bytes_max))
    for first in range(0, requests, _TOGETHER):
        made = [_request(rng, n) for n in range(first, min(first + _TOGETHER, requests))]
        for status, said in await asyncio.gather(*(_send(server, *each) for each in made)):
            _check(status, said, done)
    await log.close()
    done["requests"] = requests
    return done


def main() -> None:
    """Run it as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--requests", type=int, default=20_000)
    chosen = parser.parse_args()
    rng, endpoints = random.Random(chosen.seed), Endpoints.from_environment(os.environ)
    with TemporaryDirectory() as folder:
        done = asyncio.run(fuzz(endpoints, Path(folder), rng, chosen.requests))
    sys.stdout.write(json.dumps(done, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
