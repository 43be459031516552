"""What was billed in advance against what is known by now, and credits from invoice to invoice.

Line by line, by key: where the rounded amounts come to something else than was billed, each line
that was billed and does not hold is taken back as it was, by a settlement, and what holds in its
place stands beside it. So all that is ever billed of an own period comes to what it really cost.

No total is negative: what the settlements leave of credits goes to the next invoice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from core.clock import epoch_micros
from core.ids import InvoiceId
from core.period import Period
from invoicing.model import WHOLE, InvoiceLine, Section
from invoicing.proof import derived_uuid

_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Account:
    """What a subscription was billed in advance and not settled, and what is left of credits."""

    billed: tuple[InvoiceLine, ...] = ()
    credit_minor: int = 0

    def of(self, section: Section) -> list[InvoiceLine]:
        """What was billed in advance of an own period."""
        every = section.rhythm.every and str(section.rhythm.every)
        return [
            line
            for line in self.billed
            if line.every == every and line.service.start in section.whole
        ]

    def after(self, lines: Sequence[InvoiceLine], credit_minor: int) -> Account:
        """The same after an invoice with these lines."""
        settled = {line.settles for line in lines}
        billed = (*self.billed, *(line for line in lines if line.in_advance and not line.settles))
        return Account(tuple(line for line in billed if line.line_id not in settled), credit_minor)


def settled(
    invoice_id: InvoiceId,
    digits: int,
    billed: Iterable[InvoiceLine],
    known: Iterable[InvoiceLine],
) -> Iterator[InvoiceLine]:
    """What is to be billed of an own period that was `billed` and is `known` to cost this."""
    was, now = _by_key(billed), _by_key(known)
    for key in dict.fromkeys([*now, *was]):
        before, after = was.get(key, []), now.get(key, [])
        if _total(before) == _total(after):
            continue
        kept = {_told(line) for line in before} & {_told(line) for line in after}
        for line in before:
            if _told(line) not in kept:
                yield _taken_back(invoice_id, digits, line)
        yield from (line for line in after if _told(line) not in kept)


def _by_key(lines: Iterable[InvoiceLine]) -> dict[str, list[InvoiceLine]]:
    found: dict[str, list[InvoiceLine]] = {}
    for line in lines:
        found.setdefault(line.line_key, []).append(line)
    return found


def _total(lines: Iterable[InvoiceLine]) -> int:
    return sum(line.amount_minor for line in lines)


def _told(line: InvoiceLine) -> tuple[str, Period, UUID, Decimal, int]:
    """What makes two lines the same."""
    return line.kind, line.service, line.price_id, line.quantity, line.amount_minor


def _taken_back(invoice_id: InvoiceId, digits: int, line: InvoiceLine) -> InvoiceLine:
    amount = Decimal(-line.amount_minor).scaleb(-digits)
    return replace(
        line,
        line_id=derived_uuid(line.service.start, "settlement", str(invoice_id), str(line.line_id)),
        kind="settlement",
        true_up_of=None,
        settles=line.line_id,
        share=WHOLE,
        description=f"{line.description}: billed in advance",
        used_quantity=_ONE,
        quantity=_ONE,
        unit_amount=amount,
        tiers=[],
        amount_exact=amount,
        amount_remainder=0,
        amount_minor=-line.amount_minor,
    )


def own_name(section: Section, span: Period) -> tuple[str, str, str]:
    """What a line of an own period is known by, beside its key."""
    timing = "in advance" if section.rhythm.in_advance else "in arrears"
    every = str(section.rhythm.every or "")
    return (timing, every, str(epoch_micros(span.start)))
