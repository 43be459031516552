from __future__ import annotations

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from core.errors import ConflictError
from telemetry.endpoint import Endpoint


def test_a_failed_check_is_a_503_that_names_it() -> None:
    registry, faults = CollectorRegistry(), dict[str, str | None](alive=None, ready=None)
    Counter("things", "Things.", registry=registry).inc(3)

    def broken() -> str | None:
        if faults["ready"] == "raise":
            raise OSError("gone")
        return faults["ready"]

    endpoint = Endpoint(registry, {"loop": lambda: faults["alive"]}, {"server": broken}).start()
    try:
        with httpx.Client(base_url=endpoint.url) as client:
            assert "things_total 3.0" in client.get("/metrics").text
            assert client.get("/livez").json() == {"status": "alive"}
            assert client.get("/readyz?x=1").json() == {"status": "ready"}
            assert client.get("/else").status_code == 404
            faults["ready"] = "down"
            answer = client.get("/readyz")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert answer.json()["error"]["details"] == {"checks": {"server": "down"}}
            assert client.get("/livez").status_code == 200
            faults["ready"] = "raise"
            assert "OSError: gone" in client.get("/readyz").text
            faults |= {"alive": "stuck", "ready": None}
            for path in ("/livez", "/readyz"):
                assert client.get(path).json()["error"]["details"] == {"checks": {"loop": "stuck"}}
        port = int(endpoint.url.rpartition(":")[2])
        with pytest.raises(ConflictError, match=f"cannot listen on 127.0.0.1:{port}"):
            Endpoint(registry, {}, {}, port=port)
    finally:
        endpoint.close()
