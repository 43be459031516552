"""Requests drawn from the OpenAPI document itself, to every route of the management API.

No answer is a failure of ours, and every refusal has the documented body. Half of the requests name
things that are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from pydantic import TypeAdapter
from schemathesis import Case

from api.management import ManagementSettings
from api.management_app import create_management_app
from api.problems import ErrorBody
from core.acting import Acting
from core.clock import ManualClock
from core.endpoints import Endpoints
from db.postgres import Database
from identity.api_keys import SCOPES, insert_api_key
from subscriptions.contracts.body import parse_contract
from subscriptions.contracts.register import create_contract
from tests.api.management import NOWHERE, management
from tests.plugins.database import do
from tests.plugins.installations import Installer
from tests.subscriptions.operating import JANUARY, Desk, open_desk

Headers = dict[str, str]
CASES = int(os.environ.get("TOLLBOOK_ROUTE_CASES", "12"))
"""Requests to each route beside those at the edges of what it takes."""

NAMES = {
    "slug": ("standard", "tokens", "pictures"),
    "customer": ("contoso", "fabrikam"),
    "subscription": ("sub", "trial"),
    "contract": ("deal",),
    "subject": ("contoso-chat",),
    "tenant": ("acme",),
    "number": (1,),
}
"""What is there, by the parameter that names it."""

schema = schemathesis.openapi.from_dict(
    create_management_app(ManagementSettings(NOWHERE, Path("none"))).openapi()
)
_error = TypeAdapter(ErrorBody)


@pytest.fixture(scope="module")
def place(installer: Installer) -> Iterator[Endpoints]:
    with installer.installation() as endpoints:
        yield endpoints


@pytest.fixture(scope="module")
def server(
    place: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, Headers]]:
    """A server with a plan, customers and subscriptions, and a key that may do everything."""
    clock = ManualClock(JANUARY)
    with Database(place.postgres) as database:
        desk = open_desk(database)
        subscribe(desk)
        text = do(database, insert_api_key, clock, desk.tenant_id, "all", tuple(SCOPES))
    folder = tmp_path_factory.mktemp("server")
    with management(place.postgres, folder, place.clickhouse, clock) as client:
        yield client, {"Authorization": f"Bearer {text}"}


def subscribe(desk: Desk) -> None:
    desk.subscribe("sub")
    deal = parse_contract({"slug": "deal", "customer": "contoso", "subscription": "sub"})
    with desk.database.transaction(Acting(desk.tenant_id)) as conn:
        create_contract(conn, desk.clock, desk.tenant_id, deal)
    desk.subscribe("trial", payer="fabrikam", plan="pictures", trial_ends_at=JANUARY.replace(day=9))


def test_the_document_describes_the_whole_management_api() -> None:
    assert len(list(schema.get_all_operations())) >= 50


@pytest.mark.req("ERR-07")
@schema.parametrize()
@settings(
    max_examples=CASES,
    deadline=None,
    derandomize=False,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_it_and_every_refusal_says_why(
    case: Case[Any], server: tuple[httpx.Client, Headers]
) -> None:
    client, headers = server
    aim(case)
    response = case.call(base_url=str(client.base_url), headers=headers)
    assert response.status_code < 500, (case.as_curl_command(), response.text)
    if response.status_code >= 400 and case.method != "HEAD":
        body = response.json()
        if "success" in body:
            _error.validate_python(body)
            assert body["success"] is False
        else:
            assert response.headers["content-type"][0].startswith("application/problem+json")


def aim(case: Case[Any]) -> None:
    """Name something that is there, every other time."""
    for name, known in NAMES.items():
        drawn = case.path_parameters.get(name)
        if drawn is not None and len(str(drawn)) % 2:
            case.path_parameters[name] = known[len(str(drawn)) // 2 % len(known)]
