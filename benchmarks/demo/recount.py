"""What both invoices must say, counted from the CSV files alone: plain integers and `Decimal`.

It imports nothing of Tollbook. Prices are those of `catalog.toml`, written down once more.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final

_CENT: Final = Decimal("0.01")
_MONTHLY_FEE: Final = Decimal("49.00")
_PER_CONTEXT_TOKEN: Final = Decimal("3.00") / 1_000_000
_PER_GENERATED_TOKEN: Final = Decimal("15.00") / 1_000_000
_PER_REQUEST: Final = Decimal("0.0004")


@dataclass(frozen=True, slots=True)
class Expected:
    """One invoice: quantities and amounts by line key, and the total, in euros."""

    quantities: dict[str, Decimal]
    amounts: dict[str, Decimal]

    @property
    def total(self) -> Decimal:
        """The sum of the rounded lines."""
        return sum(self.amounts.values(), Decimal(0))


def recount(data: Path) -> dict[str, Expected]:
    """Service (`code`, `conv`) -> its invoice for November 2023."""
    return {service: _expected(data, service) for service in ("code", "conv")}


def _expected(data: Path, service: str) -> Expected:
    requests = context = generated = 0
    path = data / f"AzureLLMInferenceTrace_{service}.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if not "2023-11-01" <= row["TIMESTAMP"] < "2023-12-01":
                raise ValueError(f"{path.name}: {row['TIMESTAMP']} is not in November 2023")
            requests += 1
            context += int(row["ContextTokens"])
            generated += int(row["GeneratedTokens"])
    exact = {
        "platform": _MONTHLY_FEE,
        "requests": requests * _PER_REQUEST,
        "context-tokens": context * _PER_CONTEXT_TOKEN,
        "generated-tokens": generated * _PER_GENERATED_TOKEN,
    }
    return Expected(
        {
            "platform": Decimal(1),
            "requests": Decimal(requests),
            "context-tokens": Decimal(context),
            "generated-tokens": Decimal(generated),
        },
        {key: amount.quantize(_CENT, ROUND_HALF_UP) for key, amount in exact.items()},
    )
