"""Lago's client: sends, or finds. Only the address is ours."""

from __future__ import annotations

import json
import sys
from typing import Any

from lago_python_client.client import Client
from lago_python_client.exceptions import LagoApiError
from lago_python_client.models import BatchEvent, Event


def send(client: Any, events: list[dict[str, Any]]) -> dict[str, Any]:
    """The first one alone, twice; then all of them as a batch, and what nobody would take."""
    made = [
        Event(
            transaction_id=event["id"],
            external_subscription_id=event["subject"],
            code=event["type"],
            timestamp=event["timestamp"],
            precise_total_amount_cents=event.get("amount"),
            properties=event["data"],
        )
        for event in events
    ]
    first = client.events.create(made[0])
    again = client.events.create(made[0])
    nothing = client.events.batch_create(BatchEvent(events=made))
    bad = made[0].copy(update={"code": "", "transaction_id": "bad"})
    said: dict[str, Any] = {"first": first.dict(), "again": again.dict(), "batch": nothing}
    try:
        client.events.create(bad)
    except LagoApiError as error:
        said["one"] = {"status": error.status_code, "response": error.response}
    try:
        client.events.batch_create(BatchEvent(events=[made[1], bad]))
    except LagoApiError as error:
        said["many"] = {"status": error.status_code, "response": error.response}
    return said


def find(client: Any, transaction_id: str) -> dict[str, Any]:
    said = {"found": client.events.find(transaction_id).dict()}
    try:
        client.events.find("nobody-sent-it")
    except LagoApiError as error:
        said["missing"] = {"status": error.status_code, "response": error.response}
    return said


def main() -> None:
    asked = json.load(sys.stdin)
    client = Client(api_key=asked["key"], api_url=asked["url"])
    said = send(client, asked["events"]) if "events" in asked else find(client, asked["id"])
    print(json.dumps(said))


main()
