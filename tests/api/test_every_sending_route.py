"""Requests drawn from the OpenAPI documents of ingest and the compatible routes, on a real stack.

No answer is a failure of ours, and each is one that the document states: its status, its type of
content, its body. Below a peer's prefix that is the peer's own form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from api.compat.flexprice import KEY_HEADER
from api.compat.schemas import ERRORS
from api.compat_app import create_compat_app
from api.hot_path import HotPath
from api.ingest_app import create_ingest_app
from core.clock import SystemClock
from db.postgres import Database
from identity.api_keys import SCOPES, insert_api_key
from ingest.formats import arrow, ndjson, parquet
from ingest.settings import IngestSettings
from tests.api.compat.conforming import faults
from tests.api.management import NOWHERE
from tests.api.test_every_route import CASES
from tests.plugins.database import do
from tests.plugins.installations import Installer
from tests.scenarios.world import World

LIST_MAX = 4
"""Items of a drawn list. A list of 10,000 events takes Hypothesis minutes to draw, not us to read:
what a long one is answered is tried in tests/ingest and tests/api/compat."""

NO_SUCH_METHOD = 405
NAMES = {"name": ("tokens", "requests"), "transaction_id": ("1",)}
"""What is there, by the parameter that names it."""

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def shortened(part: Any) -> Any:
    """A copy of a document, its lists short."""
    if isinstance(part, dict):
        found = {name: shortened(each) for name, each in part.items()}
        if isinstance(found.get("maxItems"), int):
            found["maxItems"] = min(found["maxItems"], LIST_MAX)
        return found
    return [shortened(each) for each in part] if isinstance(part, list) else part


@schemathesis.serializer(ndjson.MEDIA_TYPE, arrow.MEDIA_TYPE, parquet.MEDIA_TYPE)
def as_drawn(_: Any, value: Any) -> bytes:
    """The body of a type that Schemathesis has no form for."""
    if isinstance(value, str):
        return value.encode(errors="replace")
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


def documents() -> tuple[dict[str, Any], dict[str, Any]]:
    """What ingest and the compatible routes say of themselves."""
    nothing = IngestSettings(NOWHERE, Path("none"))
    ingest = create_ingest_app(nothing)
    assert isinstance(ingest, HotPath)
    assert isinstance(ingest._app, FastAPI)
    return ingest._app.openapi(), create_compat_app(nothing).openapi()


def drawn(document: dict[str, Any]) -> OpenApiSchema:
    return schemathesis.openapi.from_dict(shortened(document))


of_ingest, of_compat = documents()
ingest_schema, compat_schema = drawn(of_ingest), drawn(of_compat)
few = settings(
    max_examples=CASES,
    deadline=None,
    derandomize=False,
    suppress_health_check=list(HealthCheck),
)


class Senders:
    """Ingest and the compatible routes of one installation, each a process, and a key for all."""

    def __init__(self, world: World) -> None:
        self.world = world
        with Database(world.endpoints.postgres) as db:
            self.key = do(db, insert_api_key, SystemClock(), world.tenant_id, "all", tuple(SCOPES))
        self.ingest = world.ingest()
        compat = world.process("compat", "serve", "compat", "--port", "0")
        self.compat = compat.wait_for(r"listening on (http://\S+)")[1]
        self.headers = {"Authorization": f"Bearer {self.key}", KEY_HEADER: self.key}

    def session(self) -> dict[str, str]:
        """The headers of a stream of Stripe's."""
        opened = httpx.post(
            f"{self.compat}/compat/stripe/v2/billing/meter_event_session",
            json={},
            headers=self.headers,
        )
        return {"Authorization": f"Bearer {opened.json()['authentication_token']}"}


@pytest.fixture(scope="module")
def senders(installer: Installer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Senders]:
    with installer.installation() as endpoints:
        world = World(endpoints, tmp_path_factory.mktemp("senders"))
        try:
            yield Senders(world)
        finally:
            world.end()


def test_the_processes_describe_themselves_so(senders: Senders) -> None:
    for url, document in ((senders.ingest, of_ingest), (senders.compat, of_compat)):
        served = httpx.get(f"{url}/openapi.json").json()
        assert served == document


@pytest.mark.req("ERR-07")
@ingest_schema.parametrize()
@few
def test_ingest_answers_each_request_as_it_says(case: Case[Any], senders: Senders) -> None:
    response = case.call(base_url=senders.ingest, headers=senders.headers)
    check(case, response)


@pytest.mark.req("ERR-07")
@compat_schema.parametrize()
@few
def test_compatible_routes_answer_each_request_as_they_say(
    case: Case[Any], senders: Senders
) -> None:
    aim(case)
    headers = dict(senders.headers)
    if case.path.endswith("/meter_event_stream"):
        headers |= senders.session()
    check(case, case.call(base_url=senders.compat, headers=headers))


def aim(case: Case[Any]) -> None:
    """Name something that is there, every other time."""
    for name, known in NAMES.items():
        given = case.path_parameters.get(name)
        if given is not None and len(str(given)) % 2:
            case.path_parameters[name] = known[len(str(given)) // 2 % len(known)]


def check(case: Case[Any], response: Any) -> None:
    """It is what the document states; a method that there is not has the body of errors."""
    assert response.status_code < 500, (case.as_curl_command(), response.text)
    if response.status_code == NO_SUCH_METHOD:
        if case.method != "HEAD":
            check_refusal(case.path, response.json())
        return
    case.validate_response(response, checks=CHECKS)


def check_refusal(path: str, body: Any) -> None:
    """In the form of the peer that a path is of, or in our own."""
    for peer, schema in ERRORS.items():
        if path.startswith(f"/compat/{peer}/"):
            assert list(faults(body, schema)) == []
            return
    assert body["success"] is False
    assert body["error"].keys() == {"code", "message", "details"}
