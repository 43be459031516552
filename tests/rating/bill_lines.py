"""Real bill lines, as published: what was used, the price of a unit, what it cost by the list."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

PATH: Final = Path(__file__).parents[1] / "data" / "focus" / "focus_sample.csv"


@dataclass(frozen=True, slots=True)
class BillLine:
    """One row of the file; None where it says NULL."""

    id: str
    provider: str
    category: str
    description: str
    unit: str
    priced_quantity: Decimal
    consumed_quantity: Decimal | None
    unit_price: Decimal | None
    list_cost: Decimal
    contracted_cost: Decimal | None


def bill_lines(provider: str) -> list[BillLine]:
    """All lines of one provider, in the order of the file."""
    return [line for line in _read() if line.provider == provider]


def _read() -> Iterator[BillLine]:
    with PATH.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert row["BillingCurrency"] == "USD"
            yield BillLine(
                row["Id"],
                row["ProviderName"],
                row["ChargeCategory"],
                row["ChargeDescription"],
                row["PricingUnit"],
                Decimal(row["PricingQuantity"]),
                _decimal(row["ConsumedQuantity"]),
                _decimal(row["ListUnitPrice"]),
                Decimal(row["ListCost"]),
                _decimal(row["ContractedCost"]),
            )


def _decimal(text: str) -> Decimal | None:
    return None if text == "NULL" else Decimal(text)
