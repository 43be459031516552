"""Flexprice's client: one event, and many. Only the server's address is ours."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from flexprice import Flexprice
from flexprice.models.errors import FlexpriceError


def main() -> None:
    asked = json.load(sys.stdin)
    first, *rest = asked["events"]
    with Flexprice(server_url=asked["url"], api_key_auth=asked["key"]) as client:
        said: dict[str, Any] = {
            "one": client.events.ingest_event(**first),
            "again": client.events.ingest_event(**first),
            "many": client.events.ingest_events_bulk(events=rest),
            "unnamed": client.events.ingest_event(
                event_name="unnamed",
                external_customer_id="customer-123",
                properties={"source": "python_app", "environment": "test"},
                source="python_app",
            ),
        }
        try:
            client.events.ingest_event(event_name="", external_customer_id="c")
        except FlexpriceError as error:
            said["error"] = {"status": error.status_code, "body": json.loads(error.body)}
    said["async"] = asyncio.run(send_async(asked))
    with Flexprice(server_url=asked["url"], api_key_auth="tb_live_wrong") as stranger:
        try:
            stranger.events.ingest_event(**first)
        except FlexpriceError as error:
            said["stranger"] = {"status": error.status_code, "body": json.loads(error.body)}
    print(json.dumps(said))


async def send_async(asked: dict[str, Any]) -> Any:
    async with Flexprice(server_url=asked["url"], api_key_auth=asked["key"]) as client:
        return await client.events.ingest_event_async(**asked["events"][0])


main()
