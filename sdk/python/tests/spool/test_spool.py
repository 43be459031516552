from __future__ import annotations

import json
import logging
import os
import tracemalloc
from pathlib import Path

import pytest

from tests.common import KEY, QUICK, error_body, wait_until
from tests.receiver import Receiver, Reply, running_receiver
from tollbook import (
    Client,
    ClientClosedError,
    ConnectionFailedError,
    RequestRejectedError,
    SpoolError,
    SpoolFullError,
)
from tollbook.spool import folder as spool_folder
from tollbook.spool import orphans, writer
from tollbook.spool.folder import SpoolFolder, SubSpool
from tollbook.spool.frames import frame_of
from tollbook.spool.reader import SpoolReader

DOWN = "http://127.0.0.1:9"


def sub_spools(path: Path) -> list[Path]:
    return [each for each in path.iterdir() if len(each.name) == 32]


def leave_behind(path: Path, events: int, url: str = DOWN) -> list[str]:
    """What a process leaves that ends while nobody listens."""
    client = Client(url, KEY, spool=path, retry=QUICK)
    ids = [client.record("t", "s", {"n": number}).id for number in range(events)]
    client.close(0.01)
    return ids


def test_events_on_disk_are_sent_by_the_next_client_with_the_same_ids(
    receiver: Receiver, tmp_path: Path
) -> None:
    ids = leave_behind(tmp_path, 5)
    assert len(sub_spools(tmp_path)) == 1
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.flush()
        wait_until(lambda: len(sub_spools(tmp_path)) == 1)  # its own; an empty one goes a bit later
    assert receiver.ids() == ids
    assert list(tmp_path.iterdir()) == [tmp_path / ".lock"]


def test_a_client_that_records_nothing_sends_what_is_left(
    receiver: Receiver, tmp_path: Path
) -> None:
    ids = leave_behind(tmp_path, 5)
    with Client(receiver.url, KEY, spool=tmp_path):
        wait_until(lambda: receiver.ids() == ids)


def test_close_leaves_the_events_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(DOWN, KEY, spool=tmp_path, retry=QUICK)
    client.record("t", "s")
    with pytest.raises(ConnectionFailedError):
        client.flush()
    with caplog.at_level(logging.WARNING, "tollbook"):
        client.close()
    assert "will be sent by the next client" in caplog.text
    with pytest.raises(ClientClosedError):
        client.record("t", "s")


def test_a_living_client_adopts_what_a_dead_one_leaves(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans.AdoptedOrphans, "look_seconds", 0.01)
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.record("t", "s", id="own")
        client.flush()
        ids = leave_behind(tmp_path, 3)
        wait_until(lambda: receiver.ids() == ["own", *ids])


def test_segments_that_are_settled_are_deleted(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SEGMENT_BYTES", 1_000)
    receiver.usual = Reply(503)
    with Client(receiver.url, KEY, spool=tmp_path, retry=QUICK) as client:
        ids = [client.record("t", "s").id for _ in range(100)]
        (sub,) = sub_spools(tmp_path)
        assert len(list(sub.glob("*.spool"))) > 10
        receiver.usual = Reply()
        client.flush()
        assert len(list(sub.glob("*.spool"))) == 1
    assert [event_id for _, event_id in receiver.accepted_events()] == ids


def test_the_position_says_what_need_not_be_sent_again(receiver: Receiver, tmp_path: Path) -> None:
    receiver.replies = [Reply()]
    receiver.usual = Reply(503)
    client = Client(receiver.url, KEY, spool=tmp_path, retry=QUICK, batch_events=4)
    ids = [client.record("t", "s").id for _ in range(10)]
    wait_until(lambda: client.pending == 6)
    client.close(0.01)
    receiver.usual, receiver.bodies[:] = Reply(), []
    Client(receiver.url, KEY, spool=tmp_path).close()
    assert receiver.ids() == ids[4:]


def test_without_a_readable_position_everything_is_sent_again(
    receiver: Receiver, tmp_path: Path
) -> None:
    ids = leave_behind(tmp_path, 3)
    (sub,) = sub_spools(tmp_path)
    (sub / "position").write_bytes(b"\xff" * 12)
    Client(receiver.url, KEY, spool=tmp_path).close()
    assert receiver.ids() == ids


def test_a_torn_tail_is_cut(tmp_path: Path, receiver: Receiver) -> None:
    ids = leave_behind(tmp_path, 3)
    (segment,) = sub_spools(tmp_path)[0].glob("*.spool")
    os.truncate(segment, segment.stat().st_size - 1)
    Client(receiver.url, KEY, spool=tmp_path).close()
    assert receiver.ids() == ids[:2]
    assert list(tmp_path.iterdir()) == [tmp_path / ".lock"]


@pytest.mark.parametrize("place", [0, 4, 60], ids=["length", "checksum", "event"])
def test_a_damaged_event_is_set_aside_and_the_others_arrive(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture, place: int
) -> None:
    ids = leave_behind(tmp_path, 5)
    (segment,) = sub_spools(tmp_path)[0].glob("*.spool")
    data = bytearray(segment.read_bytes())
    start = data.rindex(b'{"specversion"', 0, data.index(ids[2].encode())) - 8
    data[start + place] ^= 0x55
    segment.write_bytes(data)
    Client(receiver.url, KEY, spool=tmp_path).close()
    assert receiver.ids() == ids[:2] + ids[3:]
    (kept,) = (tmp_path / "damaged").iterdir()
    assert kept.read_bytes() == data
    assert "cannot be read" in caplog.text


def test_a_full_disk_is_a_typed_error_and_nothing_before_it_is_lost(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.usual = Reply(503)
    client = Client(receiver.url, KEY, spool=tmp_path, retry=QUICK)
    (sub,) = sub_spools(tmp_path)
    (sub / f"{0:020d}.spool").symlink_to("/dev/full")
    for _ in range(2):
        with pytest.raises(SpoolFullError, match="No space left on device"):
            client.record("t", "s")
    assert client.pending == 0
    receiver.usual = Reply()
    client.close()
    assert receiver.ids() == []


def test_a_spool_is_bounded(tmp_path: Path, receiver: Receiver) -> None:
    receiver.usual = Reply(503)
    with Client(receiver.url, KEY, spool=tmp_path, retry=QUICK, spool_bytes=2**18) as client:
        client.record("t", "s", {"text": "x" * 200_000})
        with pytest.raises(SpoolFullError, match="spool_bytes"):
            client.record("t", "s", {"text": "x" * 200_000})
        receiver.usual = Reply()
        client.flush()
        client.record("t", "s", {"text": "x" * 200_000})
    assert len(receiver.accepted_events()) == 2


def test_a_position_that_cannot_be_written_stops_nothing(
    receiver: Receiver, tmp_path: Path
) -> None:
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        (sub,) = sub_spools(tmp_path)
        (sub / "position").symlink_to("/dev/full")
        for _ in range(3):
            client.record("t", "s")
            client.flush()
    assert len(receiver.accepted_events()) == 3


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="cannot make a folder"):
        Client(DOWN, KEY, spool=tmp_path / "file")


def test_what_cannot_be_read_stops_nothing_else(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone, locked, good = (leave_behind(tmp_path, 2) for _ in range(3))
    for sub in sub_spools(tmp_path):
        (segment,) = sub.glob("*.spool")
        (sub / "notes.spool").write_text("not ours")
        if gone[0] in segment.read_text(errors="replace"):
            segment.rename(sub / "moved")
            segment.mkdir()
        elif locked[0] in segment.read_text(errors="replace"):
            (sub / "lock").unlink()
            (sub / "lock").mkdir()
    with Client(receiver.url, KEY, spool=tmp_path, retry=QUICK) as client:
        client.record("t", "s", id="own")
        wait_until(lambda: set(receiver.ids()) == {*good, "own"})
    assert "is left alone" in caplog.text
    assert "Is a directory" in caplog.text


def test_a_segment_that_someone_removed_is_reported_and_passed(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.usual = Reply(503)
    with Client(receiver.url, KEY, spool=tmp_path, retry=QUICK) as client:
        client.record("t", "s")
        (segment,) = sub_spools(tmp_path)[0].glob("*.spool")
        segment.unlink()
        receiver.usual = Reply()
        client.flush(30)
        assert client.pending == 0
    assert "events are lost" in caplog.text


def test_what_waits_in_a_spool_takes_no_memory(tmp_path: Path) -> None:
    client = Client(DOWN, KEY, spool=tmp_path, retry=QUICK)
    client.record("t", "s", {"text": "x" * 1_000})
    tracemalloc.start()
    for _ in range(10_000):
        client.record("t", "s", {"text": "x" * 4_000})
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    client.close(0.01)
    assert grown < 15_000_000  # some batches of 1 MB on their way; the events are 40 MB


def test_syncing_is_by_choice(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    for fsync, count in ((False, 0), (True, 3)):
        with Client(receiver.url, KEY, spool=tmp_path, spool_fsync=fsync) as client:
            for _ in range(3):
                client.record("t", "s")
        assert len(synced) == count


def test_an_event_that_the_server_cannot_read_is_set_aside(tmp_path: Path) -> None:
    def answer(body: bytes) -> Reply:
        return Reply(413 if b'"poison"' in body else 202)

    with running_receiver(answer=answer) as receiver:
        with Client(receiver.url, KEY, spool=tmp_path, batch_seconds=60) as client:
            for number in range(9):
                client.record("t", "s", id="poison" if number == 5 else str(number))
            result = client.flush()
        assert len(set(receiver.accepted_events())) == 8
    assert result.accepted == 8
    (line,) = (tmp_path / "refused.ndjson").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["code"], kept["event"]["id"]) == ("refused", "poison")
    assert result.rejected[0].event.id == "poison"


def test_events_refused_by_verdict_are_kept_up_to_a_limit(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"index": 0, "id": "a", "code": "invalid_time", "message": 'a "time"'}
    body = error_body("validation_error", "none", accepted=0, rejected=[refused])
    receiver.usual = Reply(400, body)
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.record("t", "s", id="a")
        client.flush()
        monkeypatch.setattr(spool_folder, "REFUSED_BYTES_MAX", 300)
        client.record("t", "s", id="b")
        client.flush()
    (line,) = (tmp_path / "refused.ndjson").read_text().splitlines()
    assert json.loads(line)["message"] == 'a "time"'


def test_a_wrong_address_costs_no_events_in_a_spool(receiver: Receiver, tmp_path: Path) -> None:
    receiver.usual = Reply(404)
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.record("t", "s", id="a")
        with pytest.raises(RequestRejectedError, match="404"):
            client.flush()
        assert client.pending == 1
        receiver.usual = Reply()
        assert client.flush().accepted == 1


def test_a_living_writer_may_begin_a_segment_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SEGMENT_BYTES", 100)
    folder = SpoolFolder(tmp_path)
    sub: SubSpool = folder.claim()
    write = writer.SpoolWriter(sub, fsync=False)
    reader = SpoolReader(folder, sub, write.bases)
    for number in range(20):
        end_before = write.end
        write.write(frame_of(b'{"specversion":"1.0","n":%d,"text":"%s"}' % (number, b"x" * 40)))
        assert reader.take(10, 10_000, end_before) is None
        batch = reader.take(10, 10_000, write.end)
        assert batch is not None
        assert b'"n":%d,' % number in batch.wires[0]
        reader.settle(batch.end)
    write.close()
    reader.close()
    sub.lock.release()
