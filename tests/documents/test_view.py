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


def step(**fields: Any) -> dict[str, Any]:
    price = {"step": "price", "tier": 1, "units": "5", "quantity": "5", "unit_amount": "2"}
    return {**price, "flat_amount": "0", "amount": "10"} | fields


def rows(**fields: Any) -> list[tuple[str, str, str, str]]:
    one = line(unit_amount=None, **fields)
    return [
        (row["description"], row["quantity"], row["unit_amount"], row["amount"])
        for row in invoice_view(document(lines=[one]))["rows"]
    ]


def test_tiers_stand_below_their_line_each_with_what_it_costs() -> None:
    tiers = [
        {"step": "free_units", "units": "500", "quantity": "12", "value": "500", "amount": "0"},
        step(units="10", quantity="10", unit_amount="0.1", flat_amount="3", amount="4"),
        step(tier=2, units="2", quantity="2", unit_amount="0.0333", amount="0.0666"),
        step(tier=3, units="0", quantity="0", amount="0"),
        {"step": "percent_discount", "value": "10", "amount": "-0.40666"},
        {"step": "maximum", "value": "3", "amount": "-0.65994"},
        {"step": "amount_discount", "value": "3", "amount": "0"},
    ]
    assert rows(model="graduated", quantity="12", amount="3.00", tiers=tiers) == [
        ("Context tokens", "12", "", "3.00"),
        ("Included", "−500", "", ""),  # noqa: RUF001 - a true minus
        ("Tier 1", "10", "0.10 + 3.00", "4.00"),
        ("Tier 2", "2", "0.0333", "0.0666"),
        ("Discount 10 %", "", "", "−0.40666"),  # noqa: RUF001 - as above
        ("Above the maximum", "", "", "−0.65994"),  # noqa: RUF001 - as above
    ]


@pytest.mark.parametrize(
    ("model", "tier", "label"),
    [
        ("matrix", step(group=["eu", ""]), "eu · none"),
        ("matrix", step(group=["eu", "s"], tier=0), "eu · s · Other"),
        ("volume", step(group=["eu"], tier=2), "eu · Tier 2"),
        ("percentage", step(tier=0, unit_amount="0"), "Free"),
        ("time_of_day", step(tier=2), "Band 2"),
        ("percentage", step(), "Price"),
    ],
)
def test_a_step_says_of_which_group_and_tier_it_is(
    model: str, tier: dict[str, Any], label: str
) -> None:
    [_, first, _] = rows(model=model, quantity="10", tiers=[tier, step(group=["us"])])
    assert first[0] == label


def test_one_price_alone_stands_in_the_line_itself() -> None:
    packages = step(units="250", quantity="3", unit_amount="5", amount="15")
    assert rows(model="package", quantity="250", amount="15.00", tiers=[packages]) == [
        ("Context tokens", "250", "3 × 5.00", "15.00")  # noqa: RUF001 - the sign is meant
    ]
    level = step(units="7", quantity="0", unit_amount="0", flat_amount="30", amount="30")
    assert rows(model="stairstep", quantity="7", amount="30.00", tiers=[level]) == [
        ("Context tokens", "7", "30.00", "30.00")
    ]
    raised = {"step": "minimum", "value": "9", "amount": "9"}
    assert rows(kind="true_up", quantity="1", amount="9.00", tiers=[raised]) == [
        ("Context tokens", "", "", "9.00")
    ]


def test_an_amount_of_many_decimals_is_shown_rounded_and_marked() -> None:
    tiers = [step(tier=1, amount="0.1234567"), step(tier=2, amount="0.123456")]
    shown = rows(model="volume", quantity="1", tiers=tiers)
    assert [row[3] for row in shown[1:]] == ["≈ 0.123457", "0.123456"]


@pytest.mark.parametrize(
    ("start", "end", "note"),
    [
        ("2023-11-16T00:00:00Z", "2023-12-01T00:00:00Z", "15 of 30 days"),
        ("2023-11-16T06:00:00Z", "2023-12-01T00:00:00Z", "354 of 720 hours"),
        ("2023-11-16T06:00:01Z", "2023-12-01T00:00:00Z", "00:00"),
    ],
)
def test_a_line_for_a_part_of_the_period_says_which(start: str, end: str, note: str) -> None:
    part = line(unit_amount=None, service_period={"start": start, "end": end}, model="flat")
    [row] = invoice_view(document(lines=[part]))["rows"]
    assert row["note"].startswith("16 November 2023")
    assert row["note"].endswith(note)
    [whole] = invoice_view(document())["rows"]
    assert (whole["note"], whole["last"], whole["small"]) == ("", True, False)
