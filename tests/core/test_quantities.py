"""Quantities are written plainly, and read exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.errors import ValidationError
from core.quantities import parse_quantity


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0", "0"),
        ("0.000", "0"),
        (7, "7"),
        ("100", "100"),
        ("2.50", "2.5"),
        ("999999999999999.999999999999", "999999999999999.999999999999"),
    ],
)
def test_a_quantity_is_exact_and_in_its_shortest_form(written: str | int, read: str) -> None:
    assert str(parse_quantity(written, "limit")) == read
    assert parse_quantity(written, "limit") == Decimal(read)


@pytest.mark.parametrize(
    "written",
    ["", "-1", -1, "+1", "1e3", "1_000", " 1", "1\n", "1.", ".5", "NaN", "٣", "1" * 16, True],
)
def test_what_is_no_quantity_is_refused_with_its_field(written: str | int) -> None:
    with pytest.raises(ValidationError, match=r"^limit: .* give 0 to below 10\^15"):
        parse_quantity(written, "limit")


def test_twelve_decimals_and_no_more() -> None:
    assert parse_quantity("0.000000000001", "limit") == Decimal("1e-12")
    with pytest.raises(ValidationError):
        parse_quantity("0.0000000000001", "limit")
