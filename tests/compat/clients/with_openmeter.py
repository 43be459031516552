"""OpenMeter's client: sends, or asks. Only the endpoint is ours."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from corehttp.exceptions import HttpResponseError
from openmeter import Client
from openmeter.models import Event, MeterCreate, MeterQueryRequest


def create_meters(client: Any, meters: list[dict[str, Any]]) -> dict[str, Any]:
    created = [client.meters.create(MeterCreate(meter)) for meter in meters]
    refused = {}
    try:
        client.meters.create(MeterCreate(meters[0]))
    except HttpResponseError as error:
        refused = {"error": type(error).__name__, "status": error.status_code}
    return {
        "created": [meter.as_dict() for meter in created],
        "listed": [meter.slug for meter in client.meters.list()],
        "shown": client.meters.get(created[0].id).as_dict(),
        "again": refused,
    }


def send(client: Any, events: list[dict[str, Any]]) -> dict[str, Any]:
    """The first one alone, twice; a batch; the rest as JSON. Then what nobody would take."""
    made = [
        Event(
            id=event["id"],
            source=event["source"],
            specversion="1.0",
            type=event["type"],
            subject=event["subject"],
            time=datetime.fromisoformat(event["time"]),
            data=event["data"],
        )
        for event in events
    ]
    client.events.ingest_event(made[0])
    client.events.ingest_event(made[0])
    half = len(made) // 2
    client.events.ingest_events(made[:half])
    client.events.ingest_events_json(events[half:])
    client.events.ingest_events_json(made[0])
    try:
        client.events.ingest_event(Event({**events[0], "subject": ""}))
    except HttpResponseError as error:
        return {"error": type(error).__name__, "status": error.status_code, "said": str(error)}
    return {}


def ask(client: Any, slug: str) -> dict[str, Any]:
    since = {"from_parameter": datetime.fromisoformat("2026-01-01T00:00:00+00:00")}
    until = {"to": datetime.fromisoformat("2026-02-01T00:00:00+00:00")}
    period = {**since, **until}
    posted = MeterQueryRequest(
        {
            "from": "2026-01-01T00:00:00Z",
            "to": "2026-02-01T00:00:00Z",
            "groupBy": ["model"],
            "filterGroupBy": {"model": ["large"]},
        }
    )
    json_ = client.meters.query_json
    return {
        "whole": json_(slug).as_dict(),
        "period": json_(slug, **period).as_dict(),
        "subjects": json_(slug, **period, subject=["a", "b"]).as_dict(),
        "groups": json_(slug, **period, group_by=["model", "subject"]).as_dict(),
        "filtered": json_(slug, **period, filter_group_by={"model": "large"}).as_dict(),
        "posted": client.meters.query(slug, posted).as_dict(),
        "csv": client.meters.query_csv(slug, **period, group_by=["model"]),
    }


def look(client: Any, event_id: str) -> dict[str, Any]:
    since = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    some = client.events.list(from_parameter=since, limit=3)
    one = client.events.list(from_parameter=since, id=event_id)
    mine = client.events.list(from_parameter=since, subject="a")
    return {
        "some": [each.as_dict() for each in some],
        "one": [each.as_dict() for each in one],
        "subjects": sorted({each.event.subject for each in mine}),
    }


def wrong_token(url: str) -> dict[str, Any]:
    try:
        Client(endpoint=url, token="tb_live_wrong").meters.list()
    except HttpResponseError as error:
        return {"error": type(error).__name__, "status": error.status_code}
    return {}


def main() -> None:
    asked = json.load(sys.stdin)
    client = Client(endpoint=asked["url"], token=asked["key"])
    match asked["do"]:
        case "meters":
            said = create_meters(client, asked["meters"])
        case "send":
            said = send(client, asked["events"])
        case "ask":
            said = {slug: ask(client, slug) for slug in asked["slugs"]}
        case "look":
            said = look(client, asked["id"])
        case _:
            said = wrong_token(asked["url"])
    print(json.dumps(said, default=str))


main()
