from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from tests.common import KEY, error_body, wait_until
from tests.receiver import Receiver, Reply
from tollbook import (
    Client,
    ClientClosedError,
    InvalidEventError,
    Rejection,
)


def test_an_event_is_a_cloud_event_with_its_numbers_exact(receiver: Receiver) -> None:
    with Client(receiver.url, KEY, source="/gateway") as client:
        event = client.record("llm.request", "team-7", {"cost": Decimal("1.10"), "n": 2})
    ((sent,),) = receiver.batches()
    assert sent == {
        "specversion": "1.0",
        "id": event.id,
        "source": "/gateway",
        "type": "llm.request",
        "subject": "team-7",
        "time": event.time,
        "data": {"cost": Decimal("1.10"), "n": 2},
    }
    assert b'"cost":1.10' in receiver.bodies[0]
    (headers,) = receiver.headers
    assert headers["Authorization"] == "Bearer tb_live_test"
    assert headers["Content-Type"] == "application/cloudevents-batch+json"
    assert headers["path"] == "/v1/events"


def test_id_and_time_are_assigned_when_recorded_and_may_be_given(receiver: Receiver) -> None:
    zone = timezone(timedelta(hours=2))
    with Client(receiver.url, KEY) as client:
        before = datetime.now(tz=timezone.utc)
        own = client.record("t", "s")
        given = client.record("t", "s", id="i", time=datetime(2026, 3, 1, 12, tzinfo=zone))
        text = client.record("t", "s", time="2026-03-01T12:00:00.123456789+02:00", source="/b")
    assert before <= datetime.fromisoformat(own.time.replace("Z", "+00:00"))
    assert len(own.id) == 32
    assert (given.id, given.time) == ("i", "2026-03-01T10:00:00Z")
    assert (text.time, text.source) == ("2026-03-01T12:00:00.123456789+02:00", "/b")


def test_events_are_sent_in_batches_in_the_order_recorded(receiver: Receiver) -> None:
    with Client(receiver.url, KEY, batch_events=3, batch_seconds=60) as client:
        for number in range(8):
            client.record("t", "s", id=str(number))
        wait_until(lambda: client.pending == 2)
    batches = receiver.batches()
    assert [[event["id"] for event in batch] for batch in batches] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6", "7"],
    ]


def test_batches_are_bounded_in_bytes(receiver: Receiver) -> None:
    with Client(receiver.url, KEY, batch_bytes=1_000, batch_seconds=60) as client:
        for _ in range(20):
            client.record("t", "s", {"text": "é" * 100})
    assert sum(map(len, receiver.batches())) == 20
    assert all(len(body) <= 1_100 for body in receiver.bodies)


def test_verdicts_name_the_events_that_were_refused(receiver: Receiver) -> None:
    refused = {"index": 1, "id": "b", "code": "invalid_time", "message": "time: nonsense"}
    notice = {"code": "old", "count": 1, "message": "too old"}
    body = {"accepted": 2, "rejected": [refused], "notices": [notice]}
    receiver.replies = [Reply(202, body)]
    seen: list[Rejection] = []
    with Client(receiver.url, KEY, on_rejected=seen.append) as client:
        events = [client.record("t", "s", id=name) for name in "abc"]
        result = client.flush()
    assert result.accepted == 2
    assert result.rejected == (Rejection(events[1], "invalid_time", "time: nonsense"),)
    assert result.notices == ("too old",)
    assert seen == list(result.rejected)


def test_a_batch_with_no_good_event_is_a_verdict_not_a_failure(receiver: Receiver) -> None:
    refused = {"index": 0, "id": "a", "code": "invalid_time", "message": "time: nonsense"}
    body = error_body("validation_error", "none accepted", accepted=0, rejected=[refused])
    receiver.replies = [Reply(400, body)]
    with Client(receiver.url, KEY) as client:
        client.record("t", "s", id="a")
        result = client.flush()
        assert client.pending == 0
    assert result.accepted == 0
    assert [rejection.event.id for rejection in result.rejected] == ["a"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"type": ""}, "type: expected text of 1 to 256 bytes"),
        ({"subject": "é" * 129}, "subject: expected text"),
        ({"id": ""}, "id: expected text"),
        ({"id": 5}, "id: expected text"),
        ({"source": "a\x00"}, "source: holds a NUL"),
        ({"subject": "\ud800"}, "subject: holds a lone surrogate"),
        ({"data": [1]}, "data: expected a dict"),
        ({"data": {"text": "x" * 300_000}}, "event: 300"),
        ({"time": datetime(2026, 3, 1)}, "time: expected an aware datetime"),  # noqa: DTZ001 - the point
    ],
)
def test_an_event_that_can_never_be_sent_is_refused_at_once(
    receiver: Receiver, arguments: dict[str, Any], reason: str
) -> None:
    with Client(receiver.url, KEY) as client:
        with pytest.raises(InvalidEventError, match=reason):
            client.record(**{"type": "t", "subject": "s", **arguments})
        assert client.pending == 0
    assert receiver.bodies == []


def test_what_changes_after_record_does_not_change_the_event(receiver: Receiver) -> None:
    data: dict[str, Any] = {"n": 1, "tags": ["a"]}
    with Client(receiver.url, KEY) as client:
        client.record("t", "s", data)
        data["n"] = 2
        data["tags"].append("b")
    assert receiver.batches()[0][0]["data"] == {"n": 1, "tags": ["a"]}


def test_a_closed_client_records_nothing(receiver: Receiver) -> None:
    client = Client(receiver.url, KEY)
    client.close()
    client.close()
    with pytest.raises(ClientClosedError):
        client.record("t", "s")
    assert receiver.bodies == []


def test_threads_share_a_client_and_every_event_is_sent_once(receiver: Receiver) -> None:
    with Client(receiver.url, KEY, batch_events=7) as client:

        def record(name: int) -> None:
            for number in range(100):
                client.record("t", "s", id=f"{name}-{number}")

        threads = [threading.Thread(target=record, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ids = [event["id"] for batch in receiver.batches() for event in batch]
    assert sorted(ids) == sorted(f"{name}-{number}" for name in range(4) for number in range(100))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"batch_events": 0}, "batch_events"),
        ({"batch_events": 10_001}, "batch_events"),
        ({"batch_bytes": 10 * 2**20}, "batch_bytes"),
        ({"batch_seconds": -1}, "batch_seconds"),
        ({"queue_events": 0}, "queue_events"),
        ({"queue_bytes": 1000}, "queue_bytes"),
        ({"block_seconds": float("nan")}, "block_seconds"),
        ({"spool_bytes": 1000}, "spool_bytes"),
    ],
)
def test_a_setting_out_of_range_is_named(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Client("http://127.0.0.1:9", KEY, **settings)
    with pytest.raises(ValueError, match="base_url"):
        Client("127.0.0.1:9", KEY)
