from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import epoch_micros
from core.cloudevents.instants import epoch_micros_of

_ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1970-01-01T00:00:00-00:00", 0),
        ("2024-02-29T12:00:00+05:45", 1_709_187_300_000_000),
        ("2023-11-16T18:17:03.9799600Z", 1_700_158_623_979_960),
    ],
)
def test_a_timestamp_is_floored_to_microseconds_in_utc(text: str, expected: int) -> None:
    assert epoch_micros_of(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-06-30T23:59:60Z", "leap second"),
        ("2026-06-30T24:00:00Z", "hours end at 23"),
        ("2026-06-30T12:60:00Z", "minutes at 59"),
        ("2026-02-29T00:00:00Z", "date does not exist"),
        ("0000-01-01T00:00:00Z", "date does not exist"),
        ("2026-06-30T12:00:00+24:00", "offset"),
        ("2026-06-30T12:00:00+01:60", "offset"),
        ("2026-06-30T12:00:00", "RFC 3339"),
        ("2026-06-30T12:00Z", "RFC 3339"),
        ("2026-06-30 12:00:00Z", "RFC 3339"),
        ("2026-06-30T12:00:00.Z", "RFC 3339"),
        ("2026-06-30T12:00:00,5Z", "RFC 3339"),
        ("2026-06-30T12:00:00+0100", "RFC 3339"),
        ("20260630T120000Z", "RFC 3339"),
        ("2026-W27-2T12:00:00Z", "RFC 3339"),
        ("\u0662026-06-30T12:00:00Z", "RFC 3339"),
        ("2026-06-30T12:00:0\u0660Z", "RFC 3339"),
        (" 2026-06-30T12:00:00Z", "RFC 3339"),
        ("2026-06-30T12:00:00Z\n", "RFC 3339"),
        ("1782820800", "RFC 3339"),
        ("", "RFC 3339"),
    ],
)
def test_what_is_no_timestamp_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        epoch_micros_of(text)


@given(
    instant=st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30)),  # noqa: DTZ001 - zone below
    zone_minutes=_ZONES,
    fraction=st.text("0123456789", max_size=15),
)
def test_any_offset_and_any_fraction_equal_decimal_arithmetic(
    instant: datetime, zone_minutes: int, fraction: str
) -> None:
    whole = instant.replace(microsecond=0, tzinfo=UTC)
    local = whole.astimezone(timezone(timedelta(minutes=zone_minutes)))
    sign, minutes = "-" if zone_minutes < 0 else "+", abs(zone_minutes)
    dot = "." if fraction else ""
    text = f"{local:%Y-%m-%dT%H:%M:%S}{dot}{fraction}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    exact = Decimal(epoch_micros(whole)) + Decimal(f"0.{fraction}0") * 1_000_000
    assert epoch_micros_of(text) == int(exact.to_integral_value(ROUND_FLOOR))


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_a_named_refusal(text: str) -> None:
    try:
        micros = epoch_micros_of(text)
    except ValueError as error:
        reason = str(error)
    else:
        reason = str(micros)
    assert reason
