"""Holding what Tollbook stored and billed against the recount, value by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.demo.recount import Expected
from benchmarks.demo.traffic import Sent
from invoicing.model import Invoice
from usage.verify import VerifyReport


@dataclass(frozen=True, slots=True)
class Comparison:
    """One value from both sides."""

    what: str
    ours: Decimal
    recount: Decimal

    @property
    def same(self) -> bool:
        """Equal to the last digit."""
        return self.ours == self.recount


def ledger_comparisons(report: VerifyReport, sent: Sent) -> list[Comparison]:
    """What became of every event in the log."""
    totals = report.totals
    judged = sum(totals[name] for name in ("accepted", "duplicates", "conflicts", "rejected"))
    pairs = {
        "events in the log": (totals["events"], sent.events + sent.copies),
        "accepted": (totals["accepted"], sent.events),
        "duplicates": (totals["duplicates"], sent.copies),
        "conflicts": (totals["conflicts"], 0),
        "rejected": (totals["rejected"], 0),
        "accepted + duplicates + conflicts + rejected": (judged, sent.events + sent.copies),
        "totals that differ from their events": (len(report.differences), 0),
    }
    return [Comparison(what, Decimal(a), Decimal(b)) for what, (a, b) in pairs.items()]


def invoice_comparisons(invoice: Invoice, expected: Expected) -> list[Comparison]:
    """Every quantity and amount of an invoice."""
    digits = -invoice.currency.minor_digits
    found = {line.line_key: line for line in invoice.lines}
    comparisons = [Comparison("lines", Decimal(len(found)), Decimal(len(expected.amounts)))]
    for key, quantity in expected.quantities.items():
        line = found.get(key)
        ours = (
            (Decimal(-1), Decimal(-1))
            if line is None
            else (line.quantity, Decimal(line.amount_minor).scaleb(digits))
        )
        comparisons.append(Comparison(f"{key}: quantity", ours[0], quantity))
        comparisons.append(Comparison(f"{key}: amount", ours[1], expected.amounts[key]))
    total = Decimal(invoice.total_minor).scaleb(digits)
    return [*comparisons, Comparison("total", total, expected.total)]


def lost_and_twice(
    invoices: Mapping[str, Invoice], expected: Mapping[str, Expected], line: str = "requests"
) -> tuple[int, int]:
    """Requests that no invoice bills, and requests billed more often than they happened."""
    billed = {
        service: sum((row.quantity for row in invoice.lines if row.line_key == line), Decimal(0))
        for service, invoice in invoices.items()
    }
    gaps = [
        of.quantities[line] - billed.get(service, Decimal(0)) for service, of in expected.items()
    ]
    return int(sum(max(gap, Decimal(0)) for gap in gaps)), int(
        sum(max(-gap, Decimal(0)) for gap in gaps)
    )


def all_same(comparisons: Sequence[Comparison]) -> bool:
    """Whether nothing differs."""
    return all(comparison.same for comparison in comparisons)
