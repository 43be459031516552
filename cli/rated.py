"""Usage rated in blocks, and how its lines and totals are shown."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from cli.output import print_table
from core.money import Currency
from invoicing.document import instant_text
from rating import (
    LINES,
    PROOF,
    RATED,
    Price,
    derive_period,
    lines_of_usage,
    prove_period,
    rate_period,
)
from rating.explain import billed_minor, exact_amount, explain_line, plain
from rating.frames import PERIOD_KEY
from rating.tables import NO_PERIOD, NO_SUBSCRIPTION

BLOCK_LINES: Final = 250_000


@dataclass(frozen=True, slots=True)
class RatedUsage:
    """Lines with their hashes, and what they were made of."""

    lines: pl.DataFrame
    """`frames.RATED` and the two hashes of `proof.PROOF`."""
    usage: pl.DataFrame
    prices: Sequence[Price]

    def first(self, most: int) -> list[dict[str, Any]]:
        """Some lines as rows."""
        return self.lines.head(most).to_dicts()

    def steps(self, most: int) -> dict[str, list[dict[str, Any]]]:
        """The derivations of the first lines, by line id."""
        wanted = self.lines.head(most)
        usage = self.usage.join(wanted, on=[*PERIOD_KEY, "meter_id"], how="semi")
        steps = derive_period(wanted.select(LINES.names()), usage, self.prices)
        told: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for step in steps.to_dicts():
            told[step["line_id"]].append(step)
        return told

    def totals(self) -> list[dict[str, Any]]:
        """By currency: how many lines, and the sums of their rounded amounts, as texts."""
        minor = pl.col("amount_minor", "true_up_minor").cast(pl.Int128).sum()
        sums = self.lines.group_by("currency").agg(pl.len().alias("lines"), minor)
        told = []
        for row in sums.sort("currency").to_dicts():
            shown = Currency(row["currency"]).format_minor
            amount, true_up = row["amount_minor"], row["true_up_minor"]
            names = ("amount", "true_up", "total")
            texts = [shown(each) for each in (amount, true_up, amount + true_up)]
            count = {"currency": row["currency"], "lines": row["lines"]}
            told.append(count | dict(zip(names, texts, strict=True)))
        return told


def rate_usage(
    usage: pl.DataFrame, prices: Sequence[Price], tell: Callable[[int, int], None]
) -> RatedUsage:
    """Rate a block of lines after the other. `tell` takes the lines that are done, and of how many.

    Raises what `rate_period` raises.
    """
    lines = lines_of_usage(usage, prices)
    size = max(len(prices), BLOCK_LINES - BLOCK_LINES % max(len(prices), 1))
    periods = lines.select(PERIOD_KEY).unique(maintain_order=True)
    numbers = periods.with_columns(_block=pl.int_range(pl.len()) * len(prices) // size)
    blocks = usage.join(numbers, on=PERIOD_KEY).partition_by("_block", as_dict=True)
    rated = [pl.DataFrame(schema={**RATED, **PROOF})]
    for number, start in enumerate(range(0, lines.height, size)):
        used = blocks[number,].drop("_block")
        block = rate_period(lines[start : start + size], used, prices)
        proof = prove_period(block, used, prices)
        rated.append(block.with_columns(proof["usage_digest"], proof["content_hash"]))
        tell(min(start + size, lines.height), lines.height)
    return RatedUsage(pl.concat(rated), usage, prices)


def print_json_lines(rated: RatedUsage, *, explain: bool) -> None:
    """All lines and totals as one JSON object; amounts and quantities are texts."""
    steps = rated.steps(rated.lines.height) if explain else {}
    lines = [
        _document(line) | ({"steps": _steps(steps[line["line_id"]])} if explain else {})
        for line in rated.first(rated.lines.height)
    ]
    print(json.dumps({"lines": lines, "totals": rated.totals()}, indent=2, ensure_ascii=False))


def print_lines(rated: RatedUsage, most: int, *, explain: bool) -> None:
    """A table of the first lines, or their derivations, and the totals."""
    lines = rated.first(most)
    if explain:
        steps = rated.steps(most)
        for line in lines:
            print(f"{' · '.join(_names(line).values())} ({line['model']})")
            for text in explain_line(line, steps[line["line_id"]]):
                print(f"  {text}")
            print(f"  content hash {line['content_hash']}\n")
    else:
        cells = [_cells(line) for line in lines]
        columns = list(dict.fromkeys(name for each in cells for name in each))
        print_table([[each.get(name, "") for name in columns] for each in cells], columns, _NUMBERS)
        print()
    if rated.lines.height > len(lines):
        print(f"… and {rated.lines.height - len(lines)} more lines: --lines, --out or --json\n")
    print_table([list(map(str, total.values())) for total in rated.totals()], _TOTALS, _NUMBERS)


_TOTALS: Final = ("currency", "lines", "amount", "true-up", "total")
_NUMBERS: Final = ("used", "exact", "amount", "true-up", "lines", "total")


def _cells(line: dict[str, Any]) -> dict[str, str]:
    shown = Currency(line["currency"]).format_minor
    return {
        **_names(line),
        "model": line["model"],
        "used": plain(line["used_quantity"]),
        "exact": plain(exact_amount(line)),
        "amount": shown(line["amount_minor"]),
        "true-up": shown(line["true_up_minor"]),
        "currency": line["currency"],
    }


def _names(line: dict[str, Any]) -> dict[str, str]:
    """Subscription and period where the file names them, and the price."""
    names = {}
    if line["subscription_id"] != NO_SUBSCRIPTION:
        names["subscription"] = line["subscription_id"]
    if line["period_start"] != NO_PERIOD:
        names["period"] = instant_text(line["period_start"]).removesuffix("T00:00:00Z")
    return {**names, "price": line["price_id"]}


def _document(line: dict[str, Any]) -> dict[str, Any]:
    shown = Currency(line["currency"]).format_minor
    kept = ("line_id", "subscription_id", "model", "event_count", "unmeterable_count", "currency")
    hashes = ("price_hash", "usage_digest", "content_hash", "rounding_mode", "rule_version")
    return {
        **{name: line[name] for name in kept},
        "period_start": instant_text(line["period_start"]),
        "price": line["price_id"],
        "used_quantity": plain(line["used_quantity"]),
        "quantity": plain(line["quantity"]),
        "amount_exact": plain(exact_amount(line)),
        "amount": shown(line["amount_minor"]),
        "true_up": shown(line["true_up_minor"]),
        "billed": shown(billed_minor(line)),
        **{name: line[name] for name in hashes},
    }


def _steps(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    numbers = ("units", "quantity", "unit_amount", "flat_amount", "value")
    return [
        {
            **{name: step[name] for name in ("step", "name", "group", "tier")},
            **{name: plain(step[name]) for name in numbers if step[name] is not None},
            "amount_exact": plain(exact_amount(step)),
        }
        for step in steps
    ]
