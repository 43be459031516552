"""`/compat/openmeter`: meters, created, listed, shown and asked."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime
from starlette.concurrency import run_in_threadpool

from api.acting import changing
from api.compat.documents import described
from api.compat.openmeter_query import (
    QueryBody,
    Question,
    as_csv,
    as_json,
    ask,
    filters_of,
    question_of,
)
from api.compat.openmeter_words import MeterCreate, document_of, resource_of, speaks_of
from api.compat.services import Services, answer, read_model
from catalog.meter_register import (
    StoredMeter,
    find_meter,
    find_meter_by_id,
    page_of_meters,
    register_meter,
)
from core.acting import Acting
from core.errors import NotFoundError, ValidationError
from core.ids import MeterId, TenantId, parse_id
from db.postgres import Connection
from identity.api_keys import METERS_READ, METERS_WRITE

_CSV: Final = "text/csv"
_PAGE_MAX: Final = 1000
_READ_AT_ONCE: Final = 200

MeterName = Annotated[str, Path(description="The meter's id or slug.")]


def add_meters(router: APIRouter, services: Services) -> None:
    """Add the routes."""
    _add_catalog(router, services)
    _add_queries(router, services)


def _add_catalog(router: APIRouter, services: Services) -> None:
    @router.post(
        "/api/v1/meters",
        summary="Create a meter",
        **described("openmeter", "MeterCreate", "Meter", status=201, also=(409,)),
    )
    async def create_meter(request: Request) -> Response:
        """Create a meter; it counts past events, too."""
        acting = services.acting_of(request, METERS_WRITE)
        document = document_of(await read_model(request, MeterCreate))

        def create() -> StoredMeter:
            with changing(services.db, services.clock, acting) as (conn, clock):
                return register_meter(conn, clock, acting.tenant_id, document)

        return answer(resource_of(await run_in_threadpool(create)), 201)

    @router.get("/api/v1/meters", summary="List meters", **described("openmeter", None, "Meters"))
    def list_meters(
        request: Request,
        page: Annotated[int, Query(ge=1)] = 1,
        size: Annotated[int, Query(ge=1, le=_PAGE_MAX, alias="pageSize")] = 100,
    ) -> Response:
        """The meters that the peer has words for, oldest first; archived ones are left out."""
        acting = services.acting_of(request, METERS_READ)
        with services.db.transaction(acting) as conn:
            meters = _all_meters(conn, acting.tenant_id)
        first = (page - 1) * size
        return answer([resource_of(meter) for meter in meters[first : first + size]])

    @router.get(
        "/api/v1/meters/{name}",
        summary="Show a meter",
        **described("openmeter", None, "Meter", also=(404,)),
    )
    def show_meter(request: Request, name: MeterName) -> Response:
        """One meter."""
        return answer(resource_of(_meter(services, services.acting_of(request, METERS_READ), name)))


def _add_queries(router: APIRouter, services: Services) -> None:
    path: Final = "/api/v1/meters/{name}/query"

    @router.get(path, summary="Ask a meter", **_asked(None))
    def query(
        request: Request,
        name: MeterName,
        start: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        end: Annotated[AwareDatetime | None, Query(alias="to")] = None,
        window_size: Annotated[
            str | None, Query(alias="windowSize", description="Not supported.")
        ] = None,
        subject: Annotated[list[str] | None, Query()] = None,
        customers: Annotated[
            list[str] | None, Query(alias="filterCustomerId", description="Not supported.")
        ] = None,
        group_by: Annotated[list[str] | None, Query(alias="groupBy")] = None,
        _where: Annotated[
            str | None,
            Query(alias="filterGroupBy", description="Write `filterGroupBy[model]=large`."),
        ] = None,
        advanced: Annotated[
            str | None, Query(alias="advancedMeterGroupByFilters", description="Not supported.")
        ] = None,
    ) -> Response:
        """The total over a period, as exact decimals; as a table with `Accept: text/csv`."""
        acting = services.acting_of(request, METERS_READ)
        unsupported = {
            "windowSize": window_size,
            "filterCustomerId": customers,
            "advancedMeterGroupByFilters": advanced,
        }
        question = question_of(
            start, end, subject or (), group_by or (), filters_of(request), unsupported
        )
        return _told(services, request, acting, name, question)

    @router.post(path, summary="Ask a meter, in a body", **_asked("Query"))
    async def post_query(request: Request, name: MeterName) -> Response:
        """The same as by GET."""
        acting = services.acting_of(request, METERS_READ)
        question = (await read_model(request, QueryBody)).question()
        return await run_in_threadpool(_told, services, request, acting, name, question)


def _asked(body: str | None) -> dict[str, Any]:
    found = described("openmeter", body, "Result", also=(404,))
    found["responses"][200]["content"][_CSV] = {"schema": {"type": "string"}}
    return found


def _told(
    services: Services, request: Request, acting: Acting, name: str, question: Question
) -> Response:
    meter = _meter(services, acting, name).definition
    result = ask(services.usage.reader(), meter, question)
    if _CSV not in request.headers.get("accept", ""):
        return answer(as_json(question, result))
    disposition = f"attachment; filename={meter.slug}.csv"
    return Response(
        as_csv(question, result),
        headers={"content-disposition": disposition},
        media_type=_CSV,
    )


def _meter(services: Services, acting: Acting, name: str) -> StoredMeter:
    """The meter with an id or slug that the peer has words for. Raises `NotFoundError`."""
    with services.db.transaction(acting) as conn:
        meter = _by_name(conn, acting.tenant_id, name)
    if not speaks_of(meter):
        raise NotFoundError(f"meter: {name!r} is archived, or has an aggregation of Tollbook's own")
    return meter


def _by_name(conn: Connection, tenant_id: TenantId, name: str) -> StoredMeter:
    try:
        meter_id = MeterId(parse_id("mtr", name))
    except ValidationError:
        return find_meter(conn, tenant_id, name)
    return find_meter_by_id(conn, tenant_id, meter_id)


def _all_meters(conn: Connection, tenant_id: TenantId) -> list[StoredMeter]:
    found: list[StoredMeter] = []
    after = 0
    while page := page_of_meters(conn, tenant_id, after=after, limit=_READ_AT_ONCE):
        found += [meter for meter in page if speaks_of(meter)]
        after = page[-1].definition.catalog_version
    return found
