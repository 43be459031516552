"""The event of a record says what its meter counts as the record's quantity, or there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from catalog.meter_definition import MeterDefinition
from core.errors import BusinessLogicError, TollbookError, ValidationError
from core.events import event_key
from core.ids import MeterId, TenantId
from entitlements.record_events import check_countable, data_of_event, key_of_record

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
TENANT = TenantId(UUID(int=1))


def meter(**document: Any) -> MeterDefinition:
    archived = document.pop("archived_at", None)
    return MeterDefinition.from_document(
        {"event_type": "call", "aggregation": "sum", "value": "usage.tokens"} | document,
        meter_id=MeterId(UUID(int=2)),
        tenant_id=TENANT,
        slug="tokens",
        name="Tokens",
        catalog_version=1,
        archived_at=archived,
    )


def test_a_sum_reads_the_quantity_where_its_path_leads() -> None:
    text = data_of_event(meter(), Decimal("0.000000000001"), {"model": "large", "n": 7}, AT)
    assert json.loads(text, parse_float=Decimal) == {
        "model": "large",
        "n": 7,
        "usage": {"tokens": Decimal("1E-12")},
    }
    big = data_of_event(meter(value="tokens"), Decimal("999999999999999.5"), {}, AT)
    assert json.loads(big, parse_float=Decimal) == {"tokens": Decimal("999999999999999.5")}
    count = meter(aggregation="count", value=None)
    assert data_of_event(count, Decimal(1), {}, AT) == "{}"
    later = meter(archived_at=AT + timedelta(seconds=1))
    assert data_of_event(later, Decimal(1), {}, AT)


def test_a_filter_is_met_by_properties() -> None:
    filtered = meter(filter={"path": "model", "in": ["large"]})
    assert data_of_event(filtered, Decimal(5), {"model": "large"}, AT)
    with pytest.raises(ValidationError, match="counts nothing"):
        data_of_event(filtered, Decimal(5), {"model": "small"}, AT)


@pytest.mark.parametrize(
    ("document", "quantity", "properties"),
    [
        ({"value": "usage.input + usage.output"}, 5, {}),
        ({"value": "2 * tokens"}, 5, {}),
        ({"aggregation": "max"}, 5, {}),
        ({"aggregation": "count", "value": None}, 2, {}),
        ({"conversion": {"factor": "0.001"}}, 5, {}),
        ({"archived_at": AT}, 5, {}),
        ({}, 5, {"usage": "x"}),
    ],
)
def test_what_no_single_event_says_is_refused(
    document: dict[str, Any], quantity: int, properties: dict[str, Any]
) -> None:
    with pytest.raises(TollbookError) as refused:
        data_of_event(meter(**document), Decimal(quantity), properties, AT)
    assert isinstance(refused.value, BusinessLogicError | ValidationError)
    assert refused.value.details["field"] in {"feature", "quantity", "properties"}


def test_a_hold_is_refused_where_no_event_could_commit_it() -> None:
    with pytest.raises(BusinessLogicError, match="is worked out"):
        check_countable(meter(value="input + output"), Decimal(2), AT)


def test_a_records_key_is_that_of_its_event() -> None:
    key = key_of_record(TENANT, UUID(int=255))
    assert key == event_key(str(TENANT), "tollbook:usage/track", f"usr_{255:032x}")
