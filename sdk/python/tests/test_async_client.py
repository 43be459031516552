from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.common import KEY, QUICK
from tests.receiver import Receiver, Reply
from tollbook import (
    AsyncClient,
    ClientClosedError,
    ConnectionFailedError,
    FlushTimeoutError,
    QueueFullError,
    Rejection,
)


def test_events_are_recorded_and_flushed_from_a_loop(receiver: Receiver) -> None:
    async def run() -> None:
        async with AsyncClient(receiver.url, KEY, source="/gateway") as client:
            events = [await client.record("t", "s", {"n": number}) for number in range(3)]
            result = await client.flush()
            assert result.accepted == 3
            assert client.pending == 0
        assert receiver.ids() == [event.id for event in events]
        with pytest.raises(ClientClosedError):
            await client.record("t", "s")

    asyncio.run(run())


def test_the_loop_goes_on_while_a_flush_waits(receiver: Receiver) -> None:
    receiver.usual = Reply(503)

    async def run() -> None:
        client = AsyncClient(receiver.url, KEY, retry=QUICK)
        await client.record("t", "s")
        flush = asyncio.create_task(client.flush())
        turns = 0
        while not flush.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns > 1
        with pytest.raises(ConnectionFailedError):
            flush.result()
        with pytest.raises((ConnectionFailedError, FlushTimeoutError)):
            await client.close(0.01)

    asyncio.run(run())


def test_callbacks_run_on_the_loop(receiver: Receiver) -> None:
    refused = {"index": 0, "id": "a", "code": "invalid_time", "message": "time: nonsense"}
    receiver.replies = [Reply(202, {"accepted": 0, "rejected": [refused], "notices": []})]
    threads: list[threading.Thread] = []

    def remember(rejection: Rejection) -> None:
        assert rejection.code == "invalid_time"
        threads.append(threading.current_thread())

    async def run() -> None:
        async with AsyncClient(receiver.url, KEY, on_rejected=remember) as client:
            await client.record("t", "s", id="a")
            await client.flush()
            assert threads == [threading.current_thread()]

    asyncio.run(run())


def test_a_full_queue_refuses_or_gives_way_to_other_tasks(receiver: Receiver) -> None:
    receiver.usual = Reply(503)

    async def run() -> None:
        client = AsyncClient(receiver.url, KEY, retry=QUICK, queue_events=2)
        patient = AsyncClient(receiver.url, KEY, retry=QUICK, queue_events=2, block_seconds=60)
        for each in (client, patient):
            for _ in range(2):
                await each.record("t", "s")
        with pytest.raises(QueueFullError):
            await client.record("t", "s")
        waiting = asyncio.create_task(patient.record("t", "s", id="waited"))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        receiver.usual = Reply()
        await waiting
        await client.close()
        await patient.close()

    asyncio.run(run())
    assert "waited" in receiver.ids()


@pytest.mark.parametrize("fsync", [False, True], ids=["cached", "synced"])
def test_a_spool_is_shared_with_clients_of_threads(
    receiver: Receiver, tmp_path: Path, fsync: bool
) -> None:
    async def leave_behind() -> list[str]:
        client = AsyncClient(
            "http://127.0.0.1:9", KEY, spool=tmp_path, spool_fsync=fsync, retry=QUICK
        )
        ids = [(await client.record("t", "s")).id for _ in range(3)]
        await client.close(0.01)
        return ids

    async def make_up() -> None:
        async with AsyncClient(receiver.url, KEY, spool=tmp_path) as client:
            await client.flush()

    ids = asyncio.run(leave_behind())
    asyncio.run(make_up())
    assert receiver.ids() == ids


def test_one_client_serves_one_loop_after_the_other(receiver: Receiver) -> None:
    seen: list[str] = []
    client = AsyncClient(
        receiver.url, KEY, on_accepted=lambda events: seen.extend(event.id for event in events)
    )

    async def run(name: str) -> None:
        await client.record("t", "s", id=name)
        await client.flush()

    asyncio.run(run("a"))
    asyncio.run(run("b"))
    asyncio.run(client.close())
    assert seen == ["a", "b"]
