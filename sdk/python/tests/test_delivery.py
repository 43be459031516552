from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from decimal import Decimal

import pytest

from tests.common import KEY, QUICK, error_body, wait_until
from tests.receiver import Receiver, Reply, running_receiver
from tollbook import (
    AuthenticationError,
    Client,
    ConnectionFailedError,
    DeliveryError,
    Event,
    FlushResult,
    FlushTimeoutError,
    QueueFullError,
    RequestRejectedError,
    RetryPolicy,
)


@pytest.mark.parametrize(
    "failure", [Reply(0), Reply(503), Reply(500), Reply(429), Reply(502), Reply(504)]
)
def test_a_failed_try_is_repeated_with_the_same_ids(receiver: Receiver, failure: Reply) -> None:
    receiver.replies = [failure, failure]
    with Client(receiver.url, KEY, retry=QUICK) as client:
        client.record("t", "s", {"n": Decimal("0.1")})
        result = client.flush()
    assert result.accepted == 1
    assert len(receiver.bodies) == 3
    assert len(set(receiver.bodies)) == 1


def test_a_batch_leaves_after_its_time_without_any_flush(receiver: Receiver) -> None:
    with Client(receiver.url, KEY, batch_seconds=0.05) as client:
        client.record("t", "s", id="a")
        wait_until(lambda: receiver.ids() == ["a"])
        client.record("t", "s", id="b")
        wait_until(lambda: receiver.ids() == ["a", "b"])
        result = client.flush()
    assert result.accepted == 2
    assert len(receiver.bodies) == 2


@pytest.mark.req("ERR-09")
@pytest.mark.parametrize("status", [429, 503])
def test_the_next_try_is_not_before_retry_after(receiver: Receiver, status: int) -> None:
    receiver.replies = [Reply(status, headers={"Retry-After": "1"})]
    with Client(receiver.url, KEY, retry=QUICK, batch_events=1) as client:
        client.record("t", "s")
        wait_until(lambda: len(receiver.bodies) == 1)
        client.flush()  # in a hurry, and yet not before
    first, second = receiver.arrivals
    assert second - first >= 1


def test_a_server_that_asks_for_a_long_wait_makes_flush_give_up_at_once(receiver: Receiver) -> None:
    receiver.replies = [Reply(503, headers={"Retry-After": "3600"})]
    client = Client(receiver.url, KEY, retry=QUICK)
    client.record("t", "s")
    with pytest.raises(ConnectionFailedError, match="503"):
        client.flush()
    with pytest.raises(FlushTimeoutError, match="1 events not acknowledged within"):
        client.close(0.05)
    assert len(receiver.bodies) == 1


def test_tries_end_with_a_typed_error_and_the_events_stay(receiver: Receiver) -> None:
    receiver.usual = Reply(503, error_body("dependency_down", "Kafka does not answer"))
    problems: list[DeliveryError] = []
    client = Client(receiver.url, KEY, retry=QUICK, on_error=problems.append)
    event = client.record("t", "s")
    with pytest.raises(ConnectionFailedError, match="Kafka does not answer") as raised:
        client.flush()
    assert raised.value.events == (event,)
    assert raised.value.status == 503
    assert client.pending == 1
    assert len(problems) == 1
    receiver.usual = Reply()
    client.close()
    assert client.pending == 0
    assert set(receiver.ids()) == {event.id}


def test_the_client_goes_on_trying_when_nobody_waits(receiver: Receiver) -> None:
    receiver.usual = Reply(503)
    with Client(receiver.url, KEY, retry=QUICK, batch_events=1) as client:
        client.record("t", "s")
        wait_until(lambda: len(receiver.bodies) > 2 * QUICK.tries)
        receiver.usual = Reply()
        wait_until(lambda: client.pending == 0)


def test_nobody_listening_is_a_connection_failure() -> None:
    client = Client("http://127.0.0.1:9", KEY, retry=QUICK)
    client.record("t", "s")
    with pytest.raises(ConnectionFailedError, match="ConnectError") as raised:
        client.close()
    assert raised.value.status is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_is_not_tried_again(receiver: Receiver, status: int) -> None:
    receiver.replies = [Reply(status, error_body("authentication_error", "not known"))]
    client = Client(receiver.url, KEY, retry=QUICK)
    client.record("t", "s")
    with pytest.raises(AuthenticationError, match="not known"):
        client.flush()
    assert len(receiver.bodies) == 1
    assert client.pending == 1
    client.close()


def test_a_flush_waits_as_long_as_batches_come_through(receiver: Receiver) -> None:
    receiver.replies = [Reply(503), Reply(503), Reply()] * 4
    with Client(receiver.url, KEY, retry=QUICK, batch_events=1, batch_seconds=60) as client:
        for _ in range(4):
            client.record("t", "s")
        assert client.flush().accepted == 4


def test_a_flush_asks_for_a_try_now(receiver: Receiver) -> None:
    receiver.replies = [Reply(503)]
    slow = RetryPolicy(first_seconds=600, longest_seconds=600)
    with Client(receiver.url, KEY, retry=slow, batch_events=1) as client:
        client.record("t", "s")
        wait_until(lambda: len(receiver.bodies) == 1)
        assert client.flush().accepted == 1


@pytest.mark.parametrize("reply", [Reply(413), Reply(404), Reply(202, {}), Reply(302)])
def test_a_request_refused_for_good_leaves_the_client_with_its_events_in_the_error(
    receiver: Receiver, reply: Reply
) -> None:
    receiver.replies = [reply]
    client = Client(receiver.url, KEY, retry=QUICK)
    event = client.record("t", "s")
    with pytest.raises(RequestRejectedError) as raised:
        client.flush()
    assert raised.value.events == (event,)
    assert client.pending == 0
    client.close()


def test_a_batch_that_is_too_large_is_sent_in_parts(receiver: Receiver) -> None:
    receiver.replies = [Reply(413), Reply(413)]
    with Client(receiver.url, KEY, batch_seconds=60) as client:
        ids = [client.record("t", "s").id for _ in range(8)]
        result = client.flush()
    assert result.accepted == 8
    assert [len(batch) for batch in receiver.batches()] == [8, 4, 2, 4, 2]
    assert receiver.ids()[12:] == ids


def test_one_event_that_the_server_cannot_read_does_not_take_others_along() -> None:
    def answer(body: bytes) -> Reply:
        return Reply(400 if b'"poison"' in body else 202)

    with running_receiver(answer=answer) as receiver:
        client = Client(receiver.url, KEY, batch_seconds=60)
        events = [client.record("t", "s", id="poison" if n == 5 else str(n)) for n in range(9)]
        with pytest.raises(RequestRejectedError) as raised:
            client.flush()
        result = client.flush()
        client.close()
    assert raised.value.events == (events[5],)
    assert result.accepted == 8


def test_a_full_queue_refuses_or_waits_as_it_was_told(receiver: Receiver) -> None:
    receiver.usual = Reply(503)
    with Client(receiver.url, KEY, retry=QUICK, queue_events=3) as client:
        kept = [client.record("t", "s").id for _ in range(3)]
        with pytest.raises(QueueFullError, match="queue_events"):
            client.record("t", "s")
        assert client.pending == 3
        receiver.usual = Reply()
    assert set(receiver.ids()) == set(kept)
    receiver.usual = Reply(503)
    with Client(receiver.url, KEY, retry=QUICK, queue_events=3, block_seconds=60) as client:
        for _ in range(3):
            client.record("t", "s")
        threading.Timer(0.05, lambda: setattr(receiver, "usual", Reply())).start()
        waited = client.record("t", "s")
    assert waited.id in receiver.ids()


def test_a_queue_is_bounded_in_bytes(receiver: Receiver) -> None:
    receiver.usual = Reply(503)
    with Client(receiver.url, KEY, retry=QUICK, queue_bytes=2**18) as client:
        client.record("t", "s", {"text": "x" * 261_000})
        with pytest.raises(QueueFullError):
            client.record("t", "s", {"text": "x" * 2_000})
        receiver.usual = Reply()


def test_verdicts_of_background_batches_are_in_the_next_result(receiver: Receiver) -> None:
    refused = {"index": 0, "id": "a", "code": "invalid_time", "message": "time: nonsense"}
    receiver.replies = [Reply(202, {"accepted": 1, "rejected": [refused], "notices": []})]
    accepted: list[str] = []

    def remember(events: Sequence[Event]) -> None:
        accepted.extend(event.id for event in events)

    with Client(receiver.url, KEY, batch_events=2, on_accepted=remember) as client:
        for name in "abc":
            client.record("t", "s", id=name)
        wait_until(lambda: client.pending < 2)
        result = client.flush()
        assert client.flush() == FlushResult()
    assert result.accepted == 2
    assert [rejection.event.id for rejection in result.rejected] == ["a"]
    assert accepted == ["b", "c"]


def test_a_callback_that_raises_stops_nothing(receiver: Receiver) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("callback")

    with Client(receiver.url, KEY, batch_events=1, on_accepted=fail) as client:
        for _ in range(3):
            client.record("t", "s")
        assert client.flush().accepted == 3


def test_a_callback_may_record_and_may_not_flush(receiver: Receiver) -> None:
    problems: list[RuntimeError] = []

    def again(events: Sequence[Event]) -> None:
        if events[0].id == "a":
            client.record("t", "s", id="b")
            with pytest.raises(RuntimeError, match="callback") as raised:
                client.flush()
            problems.append(raised.value)

    client = Client(receiver.url, KEY, on_accepted=again)
    client.record("t", "s", id="a")
    client.flush()
    client.close()
    assert len(problems) == 1
    assert receiver.ids() == ["a", "b"]


def test_recording_never_waits_for_the_network(receiver: Receiver) -> None:
    receiver.usual = Reply(202, seconds=0.5)
    with Client(receiver.url, KEY, batch_events=500) as client:
        began = time.monotonic()
        for _ in range(1_000):
            client.record("t", "s")
        assert time.monotonic() - began < 0.5
        assert client.pending == 1_000
        receiver.usual = Reply()


def test_a_client_that_records_nothing_needs_no_thread(receiver: Receiver) -> None:
    before = threading.active_count()
    with Client(receiver.url, KEY) as client:
        assert client.flush() == FlushResult()
        assert threading.active_count() == before
    assert receiver.bodies == []


def test_an_event_is_recorded_where_no_thread_can_start(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Client(receiver.url, KEY) as client:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            client.record("t", "s", id="a")
        client.record("t", "s", id="b")
        wait_until(lambda: receiver.ids() == ["a", "b"])


def test_a_clock_that_steps_back_changes_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_800_000_000_000_000_000]
    monkeypatch.setattr("tollbook.clock.epoch_nanos", lambda: clock[0])
    with Client(receiver.url, KEY, batch_seconds=0.01) as client:
        first = client.record("t", "s")
        wait_until(lambda: client.pending == 0)
        clock[0] -= 3_600_000_000_000
        second = client.record("t", "s")
        wait_until(lambda: client.pending == 0)
    assert first.time == "2027-01-15T08:00:00.000000Z"
    assert second.time == "2027-01-15T07:00:00.000000Z"
    assert receiver.ids() == [first.id, second.id]
