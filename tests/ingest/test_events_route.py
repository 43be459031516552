from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import SystemClock
from core.envelope import CONTENT_TYPE
from core.events import content_hash, event_key, partition_of
from ingest.encodings import ENCODINGS
from ingest.formats.json import EITHER_TYPE
from ingest.formats.registry import FORMATS
from tests.ingest.formats.test_contract import EVENT, WRITERS
from tests.ingest.service import BATCH, SINGLE, Service, event
from tests.ingest.test_encodings import COMPRESSORS


@pytest.mark.req("ING-01")
def test_an_event_answered_202_is_in_the_log_as_it_was_sent(service: Service) -> None:
    data = b'{ "tokens" : 1.10 }'
    head = json.dumps(event("e1", time="2026-03-01T12:00:00.1234567+02:00") | {"data": 0})
    body = head.encode().replace(b'"data": 0', b'"data": ' + data)
    before = SystemClock().now()
    with service.client() as client:
        answer = client.post("/v1/events", content=body, headers={"Content-Type": SINGLE})
    assert (answer.status_code, answer.json()) == (
        202,
        {"accepted": 1, "rejected": [], "notices": answer.json()["notices"]},
    )
    (envelope,) = service.read_log()
    (logged,) = envelope.events
    tenant = str(service.tenant_id)
    key = event_key(tenant, "/a", "e1")
    assert before <= logged.pop("received_at") <= SystemClock().now()
    assert logged == {
        "tenant_id": tenant,
        "key": key,
        "content_hash": content_hash("t", "s", "2026-03-01T12:00:00.1234567+02:00", data),
        "id": "e1",
        "source": "/a",
        "type": "t",
        "subject": "s",
        "time": datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC),
        "data": data,
    }
    assert envelope.partition == partition_of(key, 4)
    assert envelope.headers == {
        "content-type": CONTENT_TYPE,
        "tollbook-schema-version": "1",
        "tollbook-events": "1",
        "tollbook-request-ids": answer.headers["X-Request-Id"],
    }


def test_good_events_of_a_batch_are_logged_and_bad_ones_named_in_order(service: Service) -> None:
    batch = [event("a"), 5, event("b", time="never"), event("c"), event("", subject="x")]
    with service.client() as client:
        answer = client.post("/v1/events", json=batch, headers={"Content-Type": BATCH})
        assert answer.status_code == 202
        said = answer.json()
        assert said["accepted"] == 2
        assert [(r["index"], r["id"], r["code"]) for r in said["rejected"]] == [
            (1, None, "invalid_event"),
            (2, "b", "invalid_time"),
            (4, "", "missing_attribute"),
        ]
        all_bad = client.post("/v1/events", json=batch[1:3], headers={"Content-Type": BATCH})
        assert all_bad.status_code == 400
        error = all_bad.json()["error"]
        assert error["code"] == "validation_error"
        assert error["details"]["accepted"] == 0
        assert [rejection["index"] for rejection in error["details"]["rejected"]] == [0, 1]
        empty = client.post("/v1/events", content=b"[]", headers={"Content-Type": BATCH})
        assert (empty.status_code, empty.json()["accepted"]) == (202, 0)
    assert sorted(service.logged_ids()) == ["a", "c"]


def test_old_events_are_accepted_and_their_sender_is_told(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/v1/events", json=[event("old", time="2023-11-16T00:00:00Z")])
    (notice,) = answer.json()["notices"]
    assert (notice["code"], notice["count"]) == ("older_than_dedupe_horizon", 1)


def test_the_tenant_comes_from_the_key_and_nothing_else(service: Service) -> None:
    other_id, other_key = service.add_tenant("other")
    with service.client(other_key) as client:
        _until_known(client)
        client.post("/v1/events", json=event("x", tenant_id=str(service.tenant_id)))
    tenants = {e["tenant_id"] for envelope in service.read_log() for e in envelope.events}
    assert tenants == {str(other_id)}


@pytest.mark.parametrize("credential", ["", "Bearer", "Basic abc", "Bearer tb_live_nobody_1"])
def test_without_a_known_key_the_answer_is_401(service: Service, credential: str) -> None:
    answer = httpx.post(
        f"{service.url}/v1/events", json=event("x"), headers={"Authorization": credential}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "authentication_error"
    assert service.read_log() == []


def test_limits_are_stated_when_they_are_passed(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(11):
            yield b" " * 2**20

    json_type = {"Content-Type": "application/json"}
    with service.client() as client:
        for content in (b" " * (10 * 2**20 + 1), endless()):
            answer = client.post("/v1/events", content=content, headers=json_type)
            assert answer.status_code == 413
            assert answer.json()["error"]["details"] == {"body_bytes_max": 10 * 2**20}
        many = client.post("/v1/events", json=[event("x")] * 10_001)
        assert many.status_code == 413
        zipped = gzip.compress(b" " * (10 * 2**20 + 1))
        answer = client.post(
            "/v1/events", content=zipped, headers={"Content-Encoding": "gzip", **json_type}
        )
        assert answer.status_code == 413
        other = client.post("/v1/events", json=event("x"), headers={"Content-Encoding": "br"})
        assert other.status_code == 415
        assert other.json()["error"]["details"]["supported"] == list(ENCODINGS)
        text = client.post("/v1/events", content="x", headers={"Content-Type": "text/plain"})
        assert text.status_code == 415
        assert text.json()["error"]["details"]["supported"] == list(FORMATS)
        problem = client.post(
            "/v1/events", content="{", headers={"Accept": "application/problem+json", **json_type}
        )
        assert problem.headers["Content-Type"] == "application/problem+json"
        assert problem.json()["status"] == problem.status_code == 400
    assert service.read_log() == []


def test_every_format_in_every_encoding_arrives(service: Service) -> None:
    sent = []
    with service.client() as client:
        for number, media_type in enumerate(WRITERS):
            for encoding, compress in COMPRESSORS.items():
                sent.append(f"{encoding}-{number}")
                body = compress(WRITERS[media_type]([EVENT | {"id": sent[-1]}]))
                headers = {"Content-Type": media_type, "Content-Encoding": encoding}
                answer = client.post("/v1/events", content=body, headers=headers)
                assert (answer.status_code, answer.json()["accepted"]) == (202, 1), answer.text
        attributes = {name: EVENT[name] for name in ("specversion", "source", "type", "subject")}
        headers = {f"ce-{name}": text for name, text in attributes.items()} | {"ce-id": "binary"}
        answer = client.post(
            "/v1/events", content=EVENT["data"], headers={"Content-Type": EITHER_TYPE, **headers}
        )
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    logged = {e["id"]: e["data"] for envelope in service.read_log() for e in envelope.events}
    assert logged == dict.fromkeys([*sent, "binary"], EVENT["data"].encode())


def test_requests_at_the_same_time_share_envelopes_and_lose_nothing(service: Service) -> None:
    def post(numbers: range) -> Counter[int]:
        with service.client() as own:  # a client that threads share closes what another uses
            return Counter(
                own.post("/v1/events", json=event(str(number))).status_code for number in numbers
            )

    with ThreadPoolExecutor(32) as pool:
        statuses = sum(pool.map(post, (range(n, 600, 32) for n in range(32))), Counter[int]())
    envelopes = service.read_log()
    assert statuses == {202: 600}
    ids = [e["id"] for envelope in envelopes for e in envelope.events]
    assert sorted(ids, key=int) == [str(number) for number in range(600)]
    assert len(envelopes) < 600
    for envelope in envelopes:
        assert {partition_of(e["key"], 4) for e in envelope.events} == {envelope.partition}


def test_the_largest_request_becomes_envelopes_that_kafka_takes(service: Service) -> None:
    large = [event(f"l{i}", data={"text": f"{i:06d}" * 40_000}) for i in range(40)]
    small = [event(str(i)) for i in range(10_000)]
    with service.client() as client:
        assert client.post("/v1/events", json=large).json()["accepted"] == 40
        assert client.post("/v1/events", json=small).json()["accepted"] == 10_000
    envelopes = service.read_log()
    assert sum(len(envelope.events) for envelope in envelopes) == 10_040
    assert max(len(envelope.events) for envelope in envelopes) <= 2_000
    assert all(
        int(envelope.headers["tollbook-events"]) == len(envelope.events) for envelope in envelopes
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
_NEAR_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "specversion": st.just("1.0") | _JSON,
        "id": st.text(min_size=1, max_size=5) | _JSON,
        "source": st.text(min_size=1, max_size=5) | _JSON,
        "type": st.just("t") | _JSON,
        "subject": st.just("s") | _JSON,
        "time": st.sampled_from(["2026-11-21T00:00:00Z", "2026-13-01T00:00:00Z"]) | _JSON,
        "data": st.dictionaries(st.text(max_size=4), _JSON, max_size=3) | _JSON,
        "data_base64": st.none() | _JSON,
    },
)
_GOOD = st.text(min_size=1, max_size=5).map(lambda text: event("1", subject=text))
_ANY = _GOOD | _NEAR_EVENTS | _JSON
_TEXTS = (_ANY | st.lists(_ANY, max_size=5)).map(lambda value: json.dumps(value).encode())


@st.composite
def _bodies(draw: st.DrawFn) -> bytes:
    """JSON that is nearly right, half of it with a few bytes overwritten, cut out or put in."""
    body = draw(_TEXTS)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 3)) :]
    return body


def test_no_body_makes_the_server_fail_and_every_accepted_event_is_logged(service: Service) -> None:
    accepted = count()
    total = 0
    with service.client() as client:

        @settings(max_examples=1_500)
        @given(_bodies(), st.sampled_from([*FORMATS, "application/json", "text/html"]))
        def check(body: bytes, content_type: str) -> None:
            nonlocal total
            answer = client.post("/v1/events", content=body, headers={"Content-Type": content_type})
            said: dict[str, Any] = answer.json()
            if answer.status_code == 202:
                next(accepted)
                total += said["accepted"]
                assert [r["index"] for r in said["rejected"]] == sorted(
                    {r["index"] for r in said["rejected"]}
                )
            else:
                assert answer.status_code in {400, 415}, answer.text
                assert said["error"]["message"]

        check()
    assert next(accepted) > 0
    assert len(service.logged_ids()) == total


def test_the_openapi_document_is_true_for_every_answer(service: Service) -> None:
    with service.client() as client:
        document = client.get("/openapi.json").json()
        route = document["paths"]["/v1/events"]["post"]
        assert set(route["requestBody"]["content"]) == set(FORMATS)
        good = client.post("/v1/events", json=[event("1"), event("2", time="x"), event("3")])
        answers = [
            good,
            client.post("/v1/events", json={}),
            client.post("/v1/events", json={}, headers={"Authorization": "Bearer x"}),
            client.post("/v1/events", content="", headers={"Content-Type": "a/b"}),
            client.post("/v1/events", json=[{}] * 10_001),
        ]
    for answer in answers:
        content = route["responses"][str(answer.status_code)]["content"]
        _conforms(answer.json(), content["application/json"]["schema"], document)
    for example in _examples(route["requestBody"]["content"][SINGLE]["schema"]):
        with service.client() as client:
            assert client.post("/v1/events", json=example).json()["accepted"] == 1


def _conforms(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Types, required names and no undocumented ones, all the way down."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    names = {
        dict: "object", list: "array", str: "string", int: "integer", bool: "boolean",
        type(None): "null",
    }  # fmt: skip
    assert names[type(value)] in kinds, (value, schema)
    if isinstance(value, list):
        for item in value:
            _conforms(item, schema["items"], document)
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema["required"]) <= set(value) <= set(schema["properties"])
        for name, item in value.items():
            _conforms(item, schema["properties"][name], document)


def _examples(schema: dict[str, Any]) -> list[Any]:
    return [schema["example"]]


def _until_known(client: httpx.Client) -> None:
    """Wait until the key that was just made is in the server's snapshot: seconds."""
    for _ in range(100):
        if client.post("/v1/events", content=b"[]", headers={"Content-Type": BATCH}).is_success:
            return
        client.get("/livez").raise_for_status()
        time.sleep(0.1)
    raise AssertionError("the new key was not taken up within 10 seconds")
