"""Ids, money, periods, clocks and endpoints: small values that everything else is made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock, epoch_micros
from core.endpoints import Endpoints
from core.errors import ValidationError
from core.ids import format_id, new_uuid, parse_id, uuid7_of
from core.money import MINOR_LIMIT, Currency, Money
from core.period import Period

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))
def test_a_uuid7_carries_its_time_version_and_variant(unix_ms: int, random_bits: int) -> None:
    made = uuid7_of(unix_ms, random_bits)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == unix_ms


def test_ids_sort_by_creation_and_read_back() -> None:
    clock = ManualClock(NOON)
    first = new_uuid(clock)
    clock.advance(timedelta(milliseconds=1))
    assert first < new_uuid(clock)
    assert parse_id("cus", format_id("cus", first)) == first


@pytest.mark.parametrize(
    "text", ["", "cus_", "inv_" + "0" * 32, "cus_" + "g" * 32, "cus_" + "0" * 31]
)
def test_what_is_no_id_is_named_with_its_field(text: str) -> None:
    with pytest.raises(ValidationError, match=r"customer: expected an id like cus_"):
        parse_id("cus", text, "customer")


@pytest.mark.parametrize(
    ("code", "amount_minor", "text"),
    [("JPY", 500, "500"), ("EUR", -5, "-0.05"), ("KWD", 12345, "12.345"), ("CLF", 1, "0.0001")],
)
def test_money_has_the_digits_of_its_currency(code: str, amount_minor: int, text: str) -> None:
    assert Money(amount_minor, Currency(code)).as_json() == {"amount": text, "currency": code}


def test_unknown_currencies_and_amounts_over_the_limit_are_refused() -> None:
    with pytest.raises(ValidationError, match="'eur' is not an ISO 4217 code"):
        Currency("eur")
    assert Money(MINOR_LIMIT - 1, Currency("EUR")).amount_minor == MINOR_LIMIT - 1
    with pytest.raises(ValidationError, match="over the limit"):
        Money(MINOR_LIMIT, Currency("EUR"))


def test_periods_are_half_open_and_kept_in_utc() -> None:
    period = Period(NOON.astimezone(timezone(timedelta(hours=5))), NOON + timedelta(hours=1))
    assert period.start.utcoffset() == timedelta(0)
    assert NOON in period
    assert NOON + timedelta(hours=1) not in period
    assert not period.overlaps(Period(period.end, period.end + timedelta(hours=1)))
    assert period.overlaps(Period(NOON - timedelta(hours=1), NOON + timedelta(microseconds=1)))
    for end in (NOON, NOON - timedelta(hours=1), NOON.replace(tzinfo=None)):
        with pytest.raises(ValueError, match="period"):
            Period(NOON, end)


def test_clocks_are_aware_exact_and_never_go_back() -> None:
    clock = ManualClock(NOON)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(timedelta(seconds=-1))
    with pytest.raises(ValueError, match="aware"):
        ManualClock(NOON.replace(tzinfo=None))
    assert epoch_micros(datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)) == 1_000_001
    assert epoch_micros(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1


def test_endpoints_name_every_variable_that_is_missing_and_go_round() -> None:
    with pytest.raises(ValidationError, match="KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL: not set"):
        Endpoints.from_environment({"CLICKHOUSE_URL": "http://x"})
    made = Endpoints("k:1", "http://c", "postgresql://p", "two.")
    assert Endpoints.from_environment(made.as_environment()) == made
    assert made.usage_events_topic() == "two.usage.events"
    assert made.usage_events_topic(2) == "two.usage.events.2"
