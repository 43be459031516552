"""Real processes, killed with SIGKILL while they record."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.common import KEY, QUICK
from tests.receiver import Receiver, Reply, running_receiver
from tollbook import Client, RetryPolicy

EVENTS = 2_000
"""So many at least are recorded before the kill."""

SDK = Path(__file__).parents[2]


@contextmanager
def recording(url: str, spool: Path, source: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.recording", url, str(spool), source]
    with subprocess.Popen(command, cwd=SDK, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_after(process: subprocess.Popen[bytes], events: int) -> int:
    """Kill a process that records; how many of its `record` calls had returned."""
    assert process.stdout is not None
    seen = len(process.stdout.read(events))
    assert seen == events, "it died by itself"
    process.kill()
    return seen + len(process.stdout.read())


def assert_all_arrived(receiver: Receiver, source: str, recorded: int) -> None:
    """Each event whose `record` returned, and at most the one that was being recorded."""
    arrived = {event_id for of, event_id in receiver.accepted_events() if of == source}
    wanted = set(map(str, range(recorded)))
    assert wanted <= arrived <= wanted | {str(recorded)}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(),
        Reply(202, seconds=0.05),
        Reply(503),
        Reply(429, headers={"Retry-After": "1"}),
        Reply(0),
    ],
    ids=["up", "slow", "503", "429", "cut"],
)
def test_a_kill_loses_nothing_that_was_recorded(
    receiver: Receiver, tmp_path: Path, reply: Reply
) -> None:
    receiver.usual = reply
    with recording(receiver.url, tmp_path, "/a") as process:
        recorded = kill_after(process, EVENTS)
    receiver.usual = Reply()
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.flush(60)
    assert_all_arrived(receiver, "/a", recorded)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_killed_while_the_receiver_comes_and_goes(receiver: Receiver, tmp_path: Path) -> None:
    faults = [Reply(), Reply(503), Reply(0), Reply(202, seconds=0.02), Reply(500), Reply(0)]
    receiver.replies = faults * 100
    with recording(receiver.url, tmp_path, "/a") as process:
        recorded = kill_after(process, EVENTS)
    receiver.replies = faults[:]
    with Client(receiver.url, KEY, spool=tmp_path, retry=RetryPolicy(first_seconds=0.01)) as client:
        client.flush(60)
    assert_all_arrived(receiver, "/a", recorded)


def test_several_deaths_while_nobody_listens_are_made_up_for(tmp_path: Path) -> None:
    with running_receiver() as gone:
        url, port = gone.url, int(gone.url.rpartition(":")[2])
    recorded = []
    for source in ("/a", "/b", "/c"):
        with recording(url, tmp_path, source) as process:
            recorded.append(kill_after(process, EVENTS))
    with running_receiver(port) as receiver:
        with Client(url, KEY, spool=tmp_path) as client:
            client.flush(60)
        for source, events in zip(("/a", "/b", "/c"), recorded, strict=True):
            assert_all_arrived(receiver, source, events)
        assert len(receiver.accepted_events()) == len(set(receiver.accepted_events()))


def test_processes_share_a_spool_and_the_living_send_for_the_dead(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.usual = Reply(503)
    with (
        recording(receiver.url, tmp_path, "/a") as first,
        recording(receiver.url, tmp_path, "/b") as second,
    ):
        recorded = kill_after(first, EVENTS)
        with Client(receiver.url, KEY, spool=tmp_path, retry=QUICK, source="/c") as client:
            client.record("t", "s", id="0")
            receiver.usual = Reply()
            client.flush(60)
            assert_all_arrived(receiver, "/a", recorded)
            assert second.poll() is None
        recorded = kill_after(second, EVENTS)
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.flush(60)
    assert_all_arrived(receiver, "/b", recorded)
    assert_all_arrived(receiver, "/c", 1)


LIMITED = """
import resource, signal, sys
from tests.common import KEY, QUICK
from tollbook import Client, SpoolFullError
client = Client(sys.argv[1], KEY, spool=sys.argv[2], source="/a", retry=QUICK)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
number = 0
try:
    while True:
        client.record("t", "s", {"n": number}, id=str(number))
        number += 1
except SpoolFullError as error:
    assert "File too large" in str(error), error
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
client.record("t", "s", {"n": number}, id=str(number))
print(number + 1, flush=True)
signal.pause()
"""


def test_a_disk_that_fills_in_the_middle_of_an_event_loses_none_before_or_after(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.usual = Reply(503)
    command = [sys.executable, "-c", LIMITED, receiver.url, str(tmp_path)]
    with subprocess.Popen(command, cwd=SDK, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        recorded = int(process.stdout.readline())
        process.kill()
    assert recorded > 500
    receiver.usual = Reply()
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.flush(60)
    assert sorted(receiver.accepted_events()) == sorted(("/a", str(n)) for n in range(recorded))
    assert not (tmp_path / "damaged").exists()


FORKED = """
import os, sys
from tests.common import KEY
from tollbook import Client
spool = sys.argv[2] or None
client = Client(sys.argv[1], KEY, spool=spool, batch_seconds=60)
for number in range(3):
    client.record("t", "s", source="/parent")
child = os.fork()
for number in range(3):
    client.record("t", "s", source="/parent" if child else "/child")
client.close()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("mode", ["memory", "spool"])
def test_after_a_fork_each_side_sends_what_it_recorded_once(
    receiver: Receiver, tmp_path: Path, mode: str
) -> None:
    spool = str(tmp_path) if mode == "spool" else ""
    subprocess.run([sys.executable, "-c", FORKED, receiver.url, spool], cwd=SDK, check=True)
    events = receiver.accepted_events()
    assert len(events) == len(set(events)) == 9
    assert sorted(source for source, _ in events) == 3 * ["/child"] + 6 * ["/parent"]
    assert len({event_id[:20] for _, event_id in events}) == 2
    assert spool == "" or list(tmp_path.iterdir()) == [tmp_path / ".lock"]


OUTLIVED = """
import os, signal, sys
from tests.common import KEY
from tollbook import Client
client = Client(sys.argv[1], KEY, spool=sys.argv[2], batch_seconds=60)
client.record("t", "s", source="/parent")
if os.fork():
    os.kill(os.getpid(), signal.SIGKILL)
print("child", flush=True)
signal.pause()
"""


def test_a_child_that_lives_on_does_not_hold_the_spool_of_its_dead_parent(
    receiver: Receiver, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", OUTLIVED, receiver.url, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=SDK, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"child\n"
        process.wait()
        try:
            with Client(receiver.url, KEY, spool=tmp_path) as client:
                client.flush(60)
        finally:
            os.killpg(process.pid, 9)
    assert [source for source, _ in receiver.accepted_events()] == ["/parent"]


EXITING = """
import sys
from tests.common import KEY
from tollbook import Client
Client(sys.argv[1], KEY, spool=sys.argv[2] or None, batch_seconds=60).record("t", "s")
"""


@pytest.mark.parametrize("mode", ["memory", "spool"])
def test_the_end_of_a_process_flushes_a_client_that_nobody_closed(
    receiver: Receiver, tmp_path: Path, mode: str
) -> None:
    spool = str(tmp_path) if mode == "spool" else ""
    subprocess.run([sys.executable, "-c", EXITING, receiver.url, spool], cwd=SDK, check=True)
    assert len(receiver.accepted_events()) == 1
