from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import tollbook

from tests.ingest.service import Service


@pytest.mark.req("ING-16")
def test_the_python_client_sends_events_that_arrive_exactly(service: Service) -> None:
    with tollbook.Client(service.url, service.api_key, source="/gateway") as client:
        exact = client.record("llm.request", "team-7", {"cost": Decimal("0.10"), "tokens": 64})
        client.record("llm.request", "team-é", time="2026-03-01T12:00:00+02:00")
        refused = client.record("llm.request", "team-7", time="yesterday")
        result = client.flush()
    assert result.accepted == 2
    assert [rejection.event for rejection in result.rejected] == [refused]
    assert result.rejected[0].code == "invalid_time"
    logged = {e["id"]: e for envelope in service.read_log() for e in envelope.events}
    assert len(logged) == 2
    assert logged[exact.id]["data"] == b'{"cost":0.10,"tokens":64}'
    assert logged[exact.id]["source"] == "/gateway"
    assert json.loads(logged[exact.id]["data"], parse_float=Decimal)["cost"] == Decimal("0.10")


def test_an_unknown_key_is_a_typed_error_of_the_python_client(service: Service) -> None:
    client = tollbook.Client(service.url, "tb_live_unknown")
    client.record("t", "s")
    with pytest.raises(tollbook.AuthenticationError, match="not known"):
        client.close()


_RECORDING = """
import itertools, os, sys
import tollbook
client = tollbook.Client(sys.argv[1], sys.argv[2], spool=sys.argv[3], batch_events=100)
for number in itertools.count():
    client.record("t", "s", {"n": number}, id=str(number))
    os.write(1, b".")
"""


def test_what_a_killed_process_recorded_in_a_spool_is_in_the_log(
    service: Service, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _RECORDING, service.url, service.api_key, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        recorded = len(process.stdout.read(3_000))
        process.kill()
        recorded += len(process.stdout.read())
    with tollbook.Client(service.url, service.api_key, spool=tmp_path) as client:
        client.flush(60)
    logged = set(service.logged_ids())
    wanted = set(map(str, range(recorded)))
    assert wanted <= logged <= wanted | {str(recorded)}  # one may have been on its way


def test_many_batches_from_the_python_client_arrive_once_each(service: Service) -> None:
    with tollbook.Client(service.url, service.api_key, batch_events=500) as client:
        ids = [client.record("t", "s", {"n": number}).id for number in range(3_000)]
    assert sorted(service.logged_ids()) == sorted(ids)
