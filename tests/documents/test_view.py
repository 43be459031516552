from __future__ import annotations

from typing import Any

import pytest

from core.money import Currency
from documents.texts import group_digits, shortest
from documents.view import invoice_view
from documents.view_lines import unit_price
from tests.documents.builders import document, line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1234567.80", "1,234,567.80"),
        ("-1234.5", "\N{MINUS SIGN}1,234.5"),
        ("0.05", "0.05"),
        ("123456789012345678", "123,456,789,012,345,678"),
    ],
)
def test_digits_are_grouped_in_threes_and_decimals_are_kept(text: str, shown: str) -> None:
    assert group_digits(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("18243391.000000000000", "18,243,391"), ("1000.50", "1,000.5"), ("100", "100"), ("0", "0")],
)
def test_a_quantity_loses_only_zeros_after_the_point(text: str, shown: str) -> None:
    assert shortest(text) == shown


@pytest.mark.parametrize(
    ("parameters", "currency", "amount", "per"),
    [
        ({"amount": "0.5", "per": "1000000"}, "EUR", "0.50", "per 1,000,000"),
        ({"amount": "49"}, "EUR", "49.00", ""),
        ({"amount": "0.000123456789", "per": "1"}, "KWD", "0.000123456789", ""),
        ({"amount": "1500.00"}, "JPY", "1,500", ""),
    ],
)
def test_a_price_is_shown_as_it_was_sold(
    parameters: dict[str, str], currency: str, amount: str, per: str
) -> None:
    assert unit_price(parameters, Currency(currency)) == {"amount": amount, "per": per}


@pytest.mark.parametrize(
    ("start", "end", "zone", "shown"),
    [
        (
            "2023-11-01T00:00:00Z",
            "2023-12-01T00:00:00Z",
            "UTC",
            "1 November 2023 - 30 November 2023",
        ),
        # The same month where the customer lives, although UTC says otherwise; no hour is lost
        # to the end of summer time on 5 November.
        (
            "2023-11-01T04:00:00Z",
            "2023-12-01T05:00:00Z",
            "America/New_York",
            "1 November 2023 - 30 November 2023",
        ),
        (
            "2023-11-15T05:00:00Z",
            "2023-12-15T05:00:00Z",
            "Asia/Kolkata",
            "15 November 2023, 10:30 - 15 December 2023, 10:30",
        ),
    ],
    ids=["utc", "new-york", "half-hour"],
)
def test_a_period_is_shown_as_the_days_the_customer_knows(
    start: str, end: str, zone: str, shown: str
) -> None:
    period = {"start": start, "end": end, "time_zone": zone}
    view = invoice_view(document(period=period))
    assert view["period"] == shown.replace(" - ", " \N{EN DASH} ")


def test_the_date_of_issue_is_the_customers_day() -> None:
    view = invoice_view(
        document(
            issued_at="2023-12-01T05:00:00Z",
            due_at="2023-12-31T05:00:00Z",
            period=document()["period"] | {"time_zone": "Pacific/Auckland"},
        )
    )
    assert (view["issued"], view["due"]) == ("1 December 2023", "31 December 2023")
    assert view["issued_on"] == [2023, 12, 1]


def test_events_that_could_not_be_read_are_told_to_the_customer() -> None:
    lines: list[dict[str, Any]] = [line(unmeterable_count=1200), line(unmeterable_count=34)]
    note = invoice_view(document(lines=lines))["unmeterable"]
    assert note == "1,234 usage events carried no readable quantity and are not billed."
    assert invoice_view(document())["unmeterable"] == ""
