"""The clients that senders already have, unmodified, against a running stack."""

from __future__ import annotations

import csv
import io
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from core.clock import SystemClock, epoch_micros
from identity.api_keys import hash_api_key
from identity.session_tokens import make_token
from tests.compat.town import Town

START = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}


def test_openmeter_sends_lists_and_asks(town: Town, seed: int) -> None:
    rng = random.Random(seed)
    events = [
        {
            "specversion": "1.0",
            "id": f"om-{number}",
            "source": "my-app",
            "type": "prompt",
            "subject": rng.choice("abc"),
            "time": (START + timedelta(seconds=rng.randrange(30 * 86400))).isoformat(),
            "data": {
                "tokens": rng.choice([rng.randrange(1000), f"{rng.randrange(9999)}.125"]),
                "model": rng.choice(["large", "small"]),
                "user": rng.choice(["u1", "u2", "u3"]),
            },
        }
        for number in range(60)
    ]
    meters = [
        {
            "slug": f"tokens_{word.lower()}",
            "aggregation": word,
            "eventType": "prompt",
            "valueProperty": "$.user" if word == "UNIQUE_COUNT" else "$.tokens",
            "groupBy": {"model": "$.model"},
        }
        for word in ("SUM", "COUNT", "UNIQUE_COUNT", "AVG", "MIN", "MAX", "LATEST")
    ]
    made = town.client("with_openmeter", "/compat/openmeter", do="meters", meters=meters)
    assert [meter["slug"] for meter in made["created"]] == [meter["slug"] for meter in meters]
    assert {meter["slug"] for meter in meters} <= set(made["listed"])
    assert made["shown"]["valueProperty"] == "$.tokens"
    assert made["shown"]["groupBy"] == {"model": "$.model"}
    assert made["again"] == {"error": "ResourceExistsError", "status": 409}

    refused = town.client("with_openmeter", "/compat/openmeter", do="send", events=events)
    assert (refused["error"], refused["status"]) == ("HttpResponseError", 400)
    assert "subject: required" in refused["said"]
    town.count()

    asked = [m for m in meters if m["aggregation"] in {"SUM", "UNIQUE_COUNT", "AVG", "LATEST"}]
    slugs = [meter["slug"] for meter in asked]
    said = town.client("with_openmeter", "/compat/openmeter", do="ask", slugs=slugs)
    for meter in asked:
        _check_answers(said[str(meter["slug"])], events, str(meter["aggregation"]))
    _check_look(town.client("with_openmeter", "/compat/openmeter", do="look", id="om-7"), events)
    stranger = town.client("with_openmeter", "/compat/openmeter", do="wrong")
    assert stranger == {"error": "ClientAuthenticationError", "status": 401}


def _check_answers(said: dict[str, Any], events: list[dict[str, Any]], word: str) -> None:
    large = [event for event in events if event["data"]["model"] == "large"]
    some = [event for event in events if event["subject"] in {"a", "b"}]
    by_subject, by_both, by_model = (
        _groups(some, "subject"), _groups(events, "model", "subject"), _groups(events, "model")
    )  # fmt: skip
    assert _rows(said["whole"]) == {(None,): _recount(events, word)}
    times = [datetime.fromisoformat(event["time"]).replace(second=0) for event in events]
    [row] = said["whole"]["data"]
    assert row["windowStart"] == _text(min(times))
    assert row["windowEnd"] == _text(max(times) + timedelta(minutes=1))
    assert {name: said["period"][name] for name in PERIOD} == PERIOD
    assert _rows(said["period"]) == _rows(said["whole"])
    assert _rows(said["subjects"]) == {
        (name,): _recount(mine, word) for (name,), mine in by_subject.items()
    }
    assert _rows(said["groups"], "model") == {
        (subject, model): _recount(mine, word) for (model, subject), mine in by_both.items()
    }
    assert _rows(said["filtered"]) == {(None,): _recount(large, word)}
    assert _rows(said["posted"], "model") == {(None, "large"): _recount(large, word)}
    table = list(csv.DictReader(io.StringIO(said["csv"])))
    assert list(table[0]) == ["window_start", "window_end", "model", "value"]
    assert {row["model"]: float(row["value"]) for row in table} == {
        model: _recount(mine, word) for (model,), mine in by_model.items()
    }


def _rows(said: dict[str, Any], *names: str) -> dict[tuple[Any, ...], float]:
    return {
        (row["subject"], *(row["groupBy"][name] for name in names)): row["value"]
        for row in said["data"]
    }


def _groups(
    events: list[dict[str, Any]], *names: str
) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    found = defaultdict(list)
    for event in events:
        found[tuple(event.get(name) or event["data"][name] for name in names)].append(event)
    return found


def _recount(events: list[dict[str, Any]], word: str) -> float:
    """By hand, and then as the client reads numbers."""
    values = [Decimal(event["data"]["tokens"]) for event in events]
    latest = max(events, key=lambda event: (event["time"], events.index(event)))
    found: dict[str, Decimal | int] = {
        "SUM": sum(values, Decimal(0)),
        "COUNT": len(events),
        "UNIQUE_COUNT": len({event["data"]["user"] for event in events}),
        "AVG": round(sum(values, Decimal(0)) / len(values), 12),
        "MIN": min(values),
        "MAX": max(values),
        "LATEST": Decimal(latest["data"]["tokens"]),
    }
    return float(found[word])


def _check_look(said: dict[str, Any], events: list[dict[str, Any]]) -> None:
    newest = sorted(events, key=lambda event: event["time"], reverse=True)[:3]
    assert [each["event"]["time"] for each in said["some"]] == [
        _text(datetime.fromisoformat(event["time"])) for event in newest
    ]
    [one] = said["one"]
    sent = next(event for event in events if event["id"] == "om-7")
    assert one["event"]["data"] == sent["data"]
    assert (one["event"]["source"], one["event"]["type"]) == ("my-app", "prompt")
    assert said["subjects"] == ["a"]


def test_the_readmes_examples_work_with_only_url_and_key_changed(town: Town) -> None:
    """OpenMeter's. Flexprice's call its client in a way that it refuses; the others have none."""
    openmeter = {"https://openmeter.cloud": "/compat/openmeter"}
    meter = {
        "slug": "tokens_total",
        "aggregation": "SUM",
        "eventType": "prompt",
        "valueProperty": "$.tokens",
    }
    town.client("with_openmeter", "/compat/openmeter", do="meters", meters=[meter])
    send = [("Setup", 0), ("Ingest an Event", 0), ("Ingest an Event", 1)]
    town.client("with_readme", "", package="openmeter", urls=openmeter, examples=send)
    town.count()
    ask = [("Setup", 0), ("Query Meter", 0), ("Query Meter", 1)]
    said = town.client("with_readme", "", package="openmeter", urls=openmeter, examples=ask)
    total = sum(map(Decimal, town.total("prompt", "tokens").values()))
    assert said["printed"].splitlines() == [f"Query total values: {float(total)}"] * 2


def test_a_count_of_nothing_is_zero_and_a_sum_of_nothing_no_row(town: Town) -> None:
    headers = {"authorization": f"Bearer {town.key}"}
    with httpx.Client(base_url=f"{town.url}/compat/openmeter/api/v1", headers=headers) as http:
        for word, rows in (("COUNT", 1), ("SUM", 0)):
            slug = f"no_{word.lower()}"
            made = {"slug": slug, "aggregation": word, "eventType": "no", "valueProperty": "$.n"}
            created = http.post("/meters", json=made)
            assert created.status_code == httpx.codes.CREATED, created.text
            asked = http.get(f"/meters/{created.json()['id']}/query", params=PERIOD)
            assert [row["value"] for row in asked.json()["data"]] == [0] * rows
            grouped = http.get(f"/meters/{slug}/query", params={"groupBy": "subject"})
            assert grouped.json() == {"data": []}
        missing = http.get("/meters/nobody/query")
        assert (missing.status_code, missing.json()["status"]) == (404, 404)
        unknown = http.get("/meters/no_sum/query", params={"groupBy": "colour"})
        assert unknown.status_code == httpx.codes.BAD_REQUEST
        assert "colour" in unknown.json()["detail"]


def test_lago_sends_and_finds(town: Town) -> None:
    events = [
        {
            "id": f"lago-{number}",
            "subject": f"sub-{number % 3}",
            "type": "lago_storage",
            "timestamp": ["1767225600", 1767225600, "1767225600.5"][number % 3],
            "data": {"gb": f"{number}.25", "count": number, "on": True},
        }
        for number in range(20)
    ]
    events[0]["amount"] = "12.5"
    said = town.client("with_lago", "/compat/lago/", events=events)
    first = said["first"]
    assert first["transaction_id"] == "lago-0"
    assert first["timestamp"] == "2026-01-01T00:00:00.000Z"
    assert first["precise_total_amount_cents"] == "12.5"
    assert first["properties"] == events[0]["data"]
    assert said["again"]["lago_id"] == first["lago_id"]
    errors = {"error": "Unprocessable Entity", "code": "validation_errors", "status": 422}
    assert said["one"]["status"] == said["many"]["status"] == 422
    assert said["one"]["response"] == errors | {"error_details": {"code": ["value_is_mandatory"]}}
    assert said["many"]["response"] == errors | {
        "error_details": {"1": {"code": ["value_is_mandatory"]}}
    }
    town.count()
    looked = town.client("with_lago", "/compat/lago/", id="lago-0")
    assert {**looked["found"], "created_at": ""} == {**first, "created_at": ""}
    assert looked["missing"] == {
        "status": 404,
        "response": {"status": 404, "error": "Not Found", "code": "event_not_found"},
    }
    assert town.total("lago_storage", "gb") == _sums(
        (str(event["subject"]), str(event["data"]["gb"]))  # type: ignore[index]  # a plain document
        for event in events
    )


def test_stripe_sends_by_v1_v2_and_stream(town: Town) -> None:
    events = [
        {
            "event_name": "stripe_calls",
            "identifier": f"stripe-{number}",
            "payload": {"stripe_customer_id": f"cus_{number % 2}", "value": str(number)},
            "seconds": 1767225600 + number,
            "instant": f"2026-01-01T00:00:{number:02}Z",
        }
        for number in range(30)
    ]
    ago = epoch_micros(SystemClock().now()) // 10**6 - 1
    expired = make_token(town.key_id, hash_api_key(town.key), ago)
    said = town.client("with_stripe", "/compat/stripe", events=events, expired=expired)
    assert said["v1"].pop("created") > ago
    assert said["v1"] == {
        "object": "billing.meter_event",
        "event_name": "stripe_calls",
        "identifier": "stripe-0",
        "livemode": True,
        "payload": {"stripe_customer_id": "cus_0", "value": "0"},
        "timestamp": 1767225600,
    }
    assert said["v2"]["object"] == "v2.billing.meter_event"
    assert said["v2"]["timestamp"] == "2026-01-01T00:00:01Z"
    assert said["unnamed"]["identifier"]
    assert said["session"]["authentication_token"].startswith("tbs_")
    opened, ends = (
        datetime.fromisoformat(said["session"][name]) for name in ("created", "expires_at")
    )
    assert ends - opened == timedelta(minutes=15)
    assert said["errors"] == [
        {
            "error": "InvalidRequestError",
            "status": 400,
            "code": "parameter_missing",
            "param": "payload[stripe_customer_id]",
        },
        {"error": "AuthenticationError", "status": 401, "code": None, "param": None},
        {
            "error": "TemporarySessionExpiredError",
            "status": 401,
            "code": "billing_meter_event_session_expired",
            "param": None,
        },
    ]
    town.count()
    assert town.total("stripe_calls", "value") == _sums(
        (f"cus_{number % 2}", str(number)) for number in range(30)
    )


def test_flexprice_sends_one_and_many(town: Town) -> None:
    events = [
        {
            "event_name": "flexprice_api",
            "external_customer_id": f"customer-{number % 4}",
            "event_id": f"flex-{number}",
            "properties": {"gb": f"0.{number:012}"},
            "timestamp": "2026-01-02T00:00:00Z",
        }
        for number in range(40)
    ]
    said = town.client("with_flexprice", "/compat/flexprice/v1", events=events)
    assert said["one"]["event_id"] == said["again"]["event_id"] == "flex-0"
    assert said["async"]["event_id"] == "flex-0"
    assert said["many"]
    assert said["unnamed"]["event_id"]
    assert said["error"]["status"] == 400
    assert said["error"]["body"]["code"] == "validation_error"
    assert "event_name: required" in said["error"]["body"]["message"]
    assert said["stranger"]["status"] == 401
    assert said["stranger"]["body"]["code"] == "permission_denied"
    town.count()
    assert town.total("flexprice_api", "gb") == _sums(
        (f"customer-{number % 4}", f"0.{number:012}") for number in range(40)
    )


def _sums(values: Any) -> dict[str, str]:
    """By subject, as the shortest text."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for subject, value in values:
        found[subject] += Decimal(value)
    return {
        subject: f"{total:f}".rstrip("0").rstrip(".") if "." in f"{total:f}" else f"{total:f}"
        for subject, total in found.items()
    }


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
