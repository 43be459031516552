from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from core.errors import DependencyDownError, ValidationError
from ingest.upload.journal import Journal
from ingest.upload.pieces import Piece
from ingest.upload.sending import TRIES, UNDER_WAY, Refusal, Sender

Answer = Callable[[httpx.Request], httpx.Response]
GOOD = {"accepted": 2, "rejected": [], "notices": []}


def _pieces(count: int = 3) -> Iterator[Piece]:
    for number in range(count):
        yield Piece(1 + 2 * number, 2, "text/csv", str(number).encode())


def _sender(answer: Answer) -> tuple[Sender, list[float]]:
    waits: list[float] = []
    http = httpx.Client(base_url="http://test", transport=httpx.MockTransport(answer))
    return Sender(http, waits.append, lambda: 1.0), waits


def test_pieces_come_back_in_order_with_their_verdicts() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"] == "text/csv"
        if request.content == b"1":
            rejected = [{"index": 1, "id": "x", "code": "c", "message": "m"}]
            details = {"accepted": 0, "rejected": rejected}
            return httpx.Response(400, json={"error": {"message": "none", "details": details}})
        return httpx.Response(202, json=GOOD)

    sender, _ = _sender(answer)
    found = [(p.first_row, o.accepted, o.refused) for p, o in sender.send(_pieces())]
    assert found == [(1, 2, []), (3, 0, [Refusal(4, "x", "c", "m")]), (5, 2, [])]


def test_few_pieces_are_read_ahead() -> None:
    read = []

    def pieces() -> Iterator[Piece]:
        for piece in _pieces(50):
            read.append(piece)
            yield piece

    sender, _ = _sender(lambda _: httpx.Response(202, json=GOOD))
    for done, _ in enumerate(sender.send(pieces()), 1):
        assert len(read) <= done + UNDER_WAY


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_answer_that_may_change_is_asked_for_again_never_before_its_time(status: int) -> None:
    left = [3]

    def answer(_: httpx.Request) -> httpx.Response:
        if left[0]:
            left[0] -= 1
            return httpx.Response(status, headers={"Retry-After": "7"}, text="busy")
        return httpx.Response(202, json=GOOD)

    sender, waits = _sender(answer)
    assert [outcome.accepted for _, outcome in sender.send(_pieces(1))] == [2]
    assert waits == [7.2, 7.4, 7.8]


def test_a_server_that_stays_away_ends_it_with_the_row() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    sender, waits = _sender(answer)
    with pytest.raises(DependencyDownError, match="from row 1 on: the server does not answer"):
        list(sender.send(_pieces(1)))
    assert len(waits) == TRIES - 1
    assert max(waits) == 15.0


@pytest.mark.parametrize("status", [401, 413, 415, 200])
def test_a_request_refused_as_a_whole_ends_it_with_what_the_server_says(status: int) -> None:
    said = {"error": {"message": "because", "details": {}}}
    sender, waits = _sender(lambda _: httpx.Response(status, json=said))
    with pytest.raises(ValidationError, match=f"the server answered {status}: because"):
        list(sender.send(_pieces(1)))
    assert waits == []


def test_a_journal_knows_how_far_a_file_was_sent_to_a_server(tmp_path: Path) -> None:
    folder = tmp_path / "ingest"
    journal = Journal.of(folder, "d" * 64, "a" * 64)
    assert journal.done_rows == 0
    journal.note(5_000)
    assert Journal.of(folder, "d" * 64, "a" * 64).done_rows == 5_000
    assert Journal.of(folder, "d" * 64, "b" * 64).done_rows == 0
    assert Journal.of(folder, "e" * 64, "a" * 64).done_rows == 0
    journal.path.write_text("{")
    assert Journal.of(folder, "d" * 64, "a" * 64).done_rows == 0
    journal.forget()
    assert list(folder.iterdir()) == []
