"""Stripe's client: v1, v2, and v2's stream. Only the base addresses are ours."""

from __future__ import annotations

import json
import sys
from typing import Any

import stripe


def client_of(key: str, url: str) -> Any:
    names = ("api", "connect", "files", "meter_events")
    return stripe.StripeClient(key, base_addresses=dict.fromkeys(names, url))


def main() -> None:
    asked = json.load(sys.stdin)
    client = client_of(asked["key"], asked["url"])
    first, second, *rest = asked["events"]
    one = {**first, "timestamp": first["seconds"]}
    two = {**second, "timestamp": second["instant"]}
    for event in (one, two):
        del event["seconds"], event["instant"]
    said: dict[str, Any] = {
        "v1": client.v1.billing.meter_events.create(one).to_dict(for_json=True),
        "again": client.v1.billing.meter_events.create(one).to_dict(for_json=True),
        "v2": client.v2.billing.meter_events.create(two).to_dict(for_json=True),
        "unnamed": client.v1.billing.meter_events.create(
            {"event_name": "unnamed", "payload": first["payload"]}
        ).to_dict(for_json=True),
    }
    session = client.v2.billing.meter_event_session.create()
    said["session"] = session.to_dict(for_json=True)
    stream = client_of(session.authentication_token, asked["url"])
    events = [
        {
            "event_name": event["event_name"],
            "identifier": event["identifier"],
            "payload": event["payload"],
            "timestamp": event["instant"],
        }
        for event in rest
    ]
    said["stream"] = stream.v2.billing.meter_event_stream.create({"events": events})
    stream.v2.billing.meter_event_stream.create({"events": events})
    stranger, late = (client_of(key, asked["url"]) for key in ("tb_live_wrong", asked["expired"]))
    said["errors"] = [
        failure(client.v1.billing.meter_events.create, {"event_name": "x", "payload": {}}),
        failure(stranger.v2.billing.meter_events.create, two),
        failure(late.v2.billing.meter_event_stream.create, {"events": events}),
    ]
    print(json.dumps(said))


def failure(call: Any, params: dict[str, Any]) -> dict[str, Any]:
    try:
        call(params)
    except stripe.StripeError as error:
        return {
            "error": type(error).__name__,
            "status": error.http_status,
            "code": error.code,
            "param": getattr(error, "param", None),
        }
    return {}


main()
