from __future__ import annotations

import json
from decimal import Decimal

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


def test_many_batches_from_the_python_client_arrive_once_each(service: Service) -> None:
    with tollbook.Client(service.url, service.api_key) as client:
        ids = [client.record("t", "s", {"n": number}).id for number in range(3_000)]
    assert sorted(service.logged_ids()) == sorted(ids)
