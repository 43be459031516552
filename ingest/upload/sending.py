"""Pieces to the server, a few at a time, each until it has a verdict."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import httpx

from core.errors import DependencyDownError, ValidationError
from ingest.upload.pieces import Piece

UNDER_WAY: Final = 4
TRIES: Final = 30
_FIRST_WAIT_SECONDS: Final = 0.2
_LONGEST_WAIT_SECONDS: Final = 15.0
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ACCEPTED: Final = 202


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the event in a row of the file did not count."""

    row: int
    id: str | None
    code: str
    message: str


@dataclass(slots=True)
class Outcome:
    """What became of the rows that were sent."""

    accepted: int = 0
    refused: list[Refusal] = field(default_factory=list)


class Sender:
    """Sends to one server with one key. Not for several threads, but uses some."""

    def __init__(
        self,
        http: httpx.Client,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._http, self._sleep, self._jitter = http, sleep, jitter

    def send(self, pieces: Iterator[Piece]) -> Iterator[tuple[Piece, Outcome]]:
        """Each piece with its verdicts, in order.

        Raises `DependencyDownError` when the server stays away or refuses to take a piece for now,
        and `ValidationError` when it refuses one as a whole.
        """
        with ThreadPoolExecutor(UNDER_WAY) as threads:
            under_way: deque[tuple[Piece, Future[Outcome]]] = deque()

            def start(count: int) -> None:
                for piece in islice(pieces, count):
                    under_way.append((piece, threads.submit(self._send, piece)))

            try:
                start(UNDER_WAY)
                while under_way:
                    piece, future = under_way.popleft()
                    yield piece, future.result()
                    start(1)
            finally:
                for _, future in under_way:
                    future.cancel()

    def _send(self, piece: Piece) -> Outcome:
        for failures in range(1, TRIES + 1):
            answer, problem = self._try(piece)
            if answer is not None and answer.status_code not in _AGAIN:
                return _outcome(answer, piece)
            if failures < TRIES:
                self._sleep(self._wait_seconds(failures, answer))
        raise DependencyDownError(f"from row {piece.first_row} on: {problem}")

    def _try(self, piece: Piece) -> tuple[httpx.Response | None, str]:
        headers = {"Content-Type": piece.media_type}
        try:
            answer = self._http.post("/v1/events", content=piece.body, headers=headers)
        except httpx.TransportError as error:
            return None, f"the server does not answer: {error}"
        return answer, _problem(answer)

    def _wait_seconds(self, failures: int, answer: httpx.Response | None) -> float:
        """Never before Retry-After; else twice as long each time, half of it by chance."""
        asked = "" if answer is None else answer.headers.get("Retry-After", "")
        longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** (failures - 1))
        return (float(asked) if asked.isdigit() else 0.0) + longest * (0.5 + self._jitter() / 2)


def _outcome(answer: httpx.Response, piece: Piece) -> Outcome:
    """Verdicts of an answer that is final. Raises `ValidationError` when it has none."""
    said = _document(answer)
    verdicts = said if answer.status_code == _ACCEPTED else said.get("error", {}).get("details", {})
    if "accepted" not in verdicts or "rejected" not in verdicts:
        raise ValidationError(f"rows from {piece.first_row} on: {_problem(answer)}")
    refused = [
        Refusal(piece.first_row + each["index"], each["id"], each["code"], each["message"])
        for each in verdicts["rejected"]
    ]
    return Outcome(int(verdicts["accepted"]), refused)


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _problem(answer: httpx.Response) -> str:
    message = _document(answer).get("error", {}).get("message") or answer.text[:200]
    return f"the server answered {answer.status_code}: {message}"
