"""Prices of every model in plans: taken as in a price book, refused by path, shown as sold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from catalog.meters import MeterDefinition, create_meter
from catalog.plan_catalog import PlanLabels, activate_draft, create_plan, write_draft
from catalog.plan_view import find_plan, find_version
from catalog.priced_meters import check_meter
from catalog.prices import price_terms
from core.clock import ManualClock
from core.errors import TollbookError, ValidationError
from core.ids import MeterId, TenantId
from db.postgres import Database
from identity.tenants import ensure_tenant

LABELS = PlanLabels("New")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def tenant_id(database: Database, clock: ManualClock) -> TenantId:
    with database.transaction() as conn:
        made = ensure_tenant(conn, clock, "acme", "Acme")[0].id
        create_meter(
            conn, clock, made, slug="tokens", name="T", event_type="t", aggregation="count"
        )
    return made


def content(**changes: Any) -> dict[str, Any]:
    return {"currency": "USD"} | changes


def line(**changes: Any) -> dict[str, Any]:
    """A plan with this line alone."""
    flat = {"key": "a", "name": "A", "price": {"model": "flat", "amount": "1"}}
    return {"rate_cards": [flat | changes]}


PRICE = r"rate_cards\[0\].price"
GRADUATED = {
    "model": "graduated",
    "tiers": [{"up_to": 100, "unit_amount": "0.50"}, {"unit_amount": "0.250", "flat_amount": 3}],
}
DIMENSION = {"r": "r"}
GAP = [{"up_to": "1", "unit_amount": "1"}, {"above": "2", "unit_amount": "1"}]


def test_a_price_of_any_model_is_sold_and_shown_as_it_was_written(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    around = {"adjustments": {"free_units": "10.0", "minimum": 5}}
    calls = {"key": "calls", "name": "Calls", "meter": "tokens", "price": GRADUATED | around}
    seats = {"key": "seats", "name": "Seats", "quantity": "2.50", "price": GRADUATED}
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "new", LABELS, content(rate_cards=[calls, seats]))
        activate_draft(conn, clock, tenant_id, "new")
        [shown, agreed] = find_version(conn, tenant_id, "new", 1)["rate_cards"]
        # The same, written otherwise, is no new version.
        tiers = [{"up_to": "100.0", "unit_amount": "0.5"}, GRADUATED["tiers"][1]]
        again = seats | {"price": GRADUATED | {"tiers": tiers}, "quantity": "2.5"}
        write_draft(conn, clock, tenant_id, "new", content(rate_cards=[calls, again]))
        assert activate_draft(conn, clock, tenant_id, "new").sold == 1
        more = content(rate_cards=[calls, seats | {"quantity": "3"}])
        write_draft(conn, clock, tenant_id, "new", more)
        assert activate_draft(conn, clock, tenant_id, "new").sold == 2
    assert (shown["meter"], shown["quantity"]) == ("tokens", None)
    assert shown["price"]["tiers"] == [
        {"up_to": "100", "unit_amount": "0.5"},
        {"unit_amount": "0.25", "flat_amount": "3"},
    ]
    assert shown["price"]["adjustments"] == {"free_units": "10", "minimum": "5"}
    assert (agreed["meter"], agreed["quantity"]) == (None, "2.5")
    assert "adjustments" not in agreed["price"]


@pytest.mark.parametrize(
    ("model", "meter", "problem"),
    [
        ("percentage", {"aggregation": "max", "value": "n"}, "is a max; take a count or a sum"),
        (
            "percentage",
            {"aggregation": "sum", "value": "n", "conversion": {"factor": "0.1"}},
            "take a meter without conversion",
        ),
        (
            "cost_plus",
            {
                "aggregation": "percentile",
                "percentile": "90",
                "value": "n",
                "dimensions": {"r": "r"},
            },
            "is not told by groups",
        ),
    ],
)
def test_a_meter_that_does_not_tell_what_a_price_reads_is_refused(
    model: str, meter: dict[str, Any], problem: str
) -> None:
    definition = MeterDefinition.from_document(
        {"event_type": "t", **meter},
        meter_id=MeterId(UUID(int=1)),
        tenant_id=TenantId(UUID(int=2)),
        slug="m",
        name="M",
        catalog_version=1,
    )
    parameters: dict[str, Any] = {"rate": "1"}
    if model == "cost_plus":
        parameters = {"margin": "1", "group_by": ["r"]}
    with pytest.raises(ValidationError, match=problem):
        check_meter(price_terms(model, "USD", parameters), definition)


def test_where_an_event_carries_its_amount_is_an_expression() -> None:
    definition = MeterDefinition(
        MeterId(UUID(int=1)), TenantId(UUID(int=2)), "m", "M", ("t",), "count", None, 1
    )
    check_meter(price_terms("dynamic", "USD", {"event_amount": "cost.total * 2"}), definition)
    with pytest.raises(ValidationError, match=r"^price.event_amount: "):
        check_meter(price_terms("dynamic", "USD", {"event_amount": "cost.(total"}), definition)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (line(price=GRADUATED | {"tiers": [{"unit_amount": "1", "up": 1}]}), f"{PRICE}.tiers.+up"),
        (line(price=GRADUATED | {"tiers": GAP}), rf"{PRICE}.tiers\[1\].above"),
        (line(price=GRADUATED | {"adjustments": [1]}), f"{PRICE}.adjustments"),
        (
            line(price=GRADUATED | {"adjustments": {"minimum": "x"}}),
            rf"{PRICE}.adjustments.minimum",
        ),
        (line(price=GRADUATED | {"group_by": ["a\x00"]}, meter="tokens"), PRICE),
        (line(price={"model": "flat", "amount": [[[[[[[[[["1"]]]]]]]]]]}), PRICE),
        (line(price=GRADUATED, quantity="-1"), r"rate_cards\[0\].quantity"),
        (line(price=GRADUATED, quantity="x"), r"rate_cards\[0\].quantity"),
        (line(price=GRADUATED, quantity="1", meter="tokens"), r"rate_cards\[0\].quantity"),
        (line(price=GRADUATED | {"group_by": ["r"]}, quantity="1"), r"rate_cards\[0\].quantity"),
        (line(quantity="1"), r"rate_cards\[0\].quantity"),
        (
            line(price={"model": "percentage", "rate": "1"}, quantity="1"),
            r"rate_cards\[0\].quantity",
        ),
        (line(price=GRADUATED), r"rate_cards\[0\].meter"),
        (line(price=GRADUATED | {"group_by": ["r"]}, meter="tokens"), r"rate_cards\[0\].meter"),
        (
            line(price={"model": "percent_of_lines", "percent": "3", "lines": ["a"]}),
            "rate_cards",
        ),
    ],
)
def test_a_price_that_could_not_be_billed_is_refused_with_its_path(
    database: Database,
    clock: ManualClock,
    tenant_id: TenantId,
    changes: dict[str, Any],
    path: str,
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "new", LABELS)
        with pytest.raises(TollbookError, match=rf"^{path}"):
            write_draft(conn, clock, tenant_id, "new", content(**changes))
        assert find_plan(conn, tenant_id, "new").draft is None
