from __future__ import annotations

import threading

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from core.errors import DependencyDownError
from streams.sink import Stopped, until_done


class Server:
    """Fails with each error in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def database_error(code: int) -> DatabaseError:
    return DatabaseError(f"Code: {code}.", code=code)


@pytest.mark.parametrize(
    "trouble",
    [
        OperationalError("refused"),
        DependencyDownError("down"),
        ConnectionResetError(),
        database_error(241),
        database_error(243),
        database_error(202),
    ],
    ids=["refused", "down", "reset", "memory-limit", "disk-full", "too-many-queries"],
)
def test_a_trouble_that_passes_is_waited_out(trouble: Exception) -> None:
    server = Server(trouble, trouble)
    assert until_done(server, threading.Event()) == "done"
    assert server.calls == 3


@pytest.mark.parametrize("trouble", [database_error(60), ValueError("bug")], ids=["table", "bug"])
def test_a_trouble_that_stays_ends_the_worker(trouble: Exception) -> None:
    server = Server(trouble)
    with pytest.raises(type(trouble)):
        until_done(server, threading.Event())
    assert server.calls == 1


def test_a_lane_that_was_taken_away_stops_trying() -> None:
    stop = threading.Event()

    def fail() -> None:
        stop.set()
        raise OperationalError("refused")

    with pytest.raises(Stopped):
        until_done(fail, stop)
