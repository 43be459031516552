"""What a run drafted for one payer, put together: one invoice per currency, a group per draft.

A draft becomes a group as it is: lines, hashes, period and zone are those of whoever used it. So
the total is the sum of what single invoices would have been.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.calendar.zones import add_days, parse_time_zone
from core.ids import CustomerId, InvoiceId
from core.money import MINOR_LIMIT, Currency
from core.period import Period
from invoicing.model import TOGETHER_KIND, Invoice, ReceivedGroup, RunTerms
from invoicing.proof import derived_uuid
from usage.cut import Cut


@dataclass(frozen=True, slots=True)
class Payer:
    """Who gets the invoices, and how it wants them."""

    customer_id: CustomerId
    party: Mapping[str, Any]
    """Used where no draft says who pays."""
    time_zone: str
    apart: bool


def put_together(
    terms: RunTerms,
    payer: Payer,
    drafts: Sequence[Invoice],
    received: Sequence[ReceivedGroup],
) -> list[Invoice]:
    """The invoices that one payer's drafts become.

    One per currency where it pays for others, and has more than one draft; what came from another
    tenant always becomes a group. `apart`: a draft stays an invoice of its own.
    """
    by_currency: defaultdict[Currency, tuple[list[Invoice], list[ReceivedGroup]]]
    by_currency = defaultdict(lambda: ([], []))
    for draft in drafts:
        by_currency[draft.currency][0].append(draft)
    for group in received:
        by_currency[group.currency][1].append(group)
    made: list[Invoice] = []
    for own, foreign in by_currency.values():
        if payer.apart or not _fits([*own, *foreign]):
            made += own
            made += [_joined(terms, payer, [], [each]) for each in ordered_received(foreign)]
        elif foreign or (len(own) > 1 and any(each.paid_for for each in own)):
            made.append(_joined(terms, payer, own, foreign))
        else:
            made += own
    return made


def _fits(groups: Iterable[Invoice | ReceivedGroup]) -> bool:
    """Whether an invoice of all of them can be written down; its parts can, each by itself."""
    return sum(each.total_minor for each in groups) < MINOR_LIMIT


def _joined(
    terms: RunTerms, payer: Payer, drafts: Sequence[Invoice], received: Sequence[ReceivedGroup]
) -> Invoice:
    """Its id is that of its groups: the same ones, the same id."""
    names = sorted(
        [str(each.invoice_id) for each in drafts]
        + [f"{each.member_tenant_id}/{each.draft_id}" for each in received]
    )
    groups, foreign = ordered(drafts), ordered_received(received)
    total = sum(each.total_minor for each in groups) + sum(each.total_minor for each in foreign)
    periods = [each.period for each in groups] + [_period(each) for each in foreign]
    return Invoice(
        invoice_id=InvoiceId(derived_uuid(terms.as_of, TOGETHER_KIND, *names)),
        tenant_id=terms.tenant_id,
        customer_id=payer.customer_id,
        subscription_id=None,
        plan_version_id=None,
        kind=TOGETHER_KIND,
        status="draft",
        number=None,
        period=Period(min(each.start for each in periods), max(each.end for each in periods)),
        time_zone=payer.time_zone,
        currency=(groups[0] if groups else foreign[0]).currency,
        subtotal_minor=total,
        total_minor=total,
        amount_due_minor=total,
        seller=terms.seller,
        buyer=groups[0].buyer if groups else payer.party,
        plan={},
        cut=Cut({}),
        issued_at=terms.as_of,
        due_at=add_days(terms.as_of, terms.payment_days, parse_time_zone(payer.time_zone)),
        lines=(),
        sandbox=terms.sandbox,
        groups=groups,
        received=foreign,
    )


def ordered(groups: Iterable[Invoice]) -> tuple[Invoice, ...]:
    """The payer's own first, then by the name of whom it pays for, then by time."""

    def place(group: Invoice) -> tuple[Any, ...]:
        used_by = group.paid_for
        who = (used_by is not None, used_by.name if used_by else "")
        by = used_by.customer_id if used_by else group.customer_id
        return (*who, by, group.subscription_id, group.period.start)

    return tuple(sorted(groups, key=place))


def ordered_received(groups: Iterable[ReceivedGroup]) -> tuple[ReceivedGroup, ...]:
    """By the name of the tenant, and there as `ordered` does."""

    def place(group: ReceivedGroup) -> tuple[Any, ...]:
        told = group.document
        used_by = told.get("for", {"name": "", "customer": ""})
        who = ("for" in told, used_by["name"], used_by["customer"], told["subscription"]["id"])
        return (
            told["tenant"]["name"], group.member_tenant_id, *who, _period(group).start,
            group.draft_id,
        )  # fmt: skip

    return tuple(sorted(groups, key=place))


def _period(group: ReceivedGroup) -> Period:
    told = group.document["period"]
    return Period(datetime.fromisoformat(told["start"]), datetime.fromisoformat(told["end"]))


def in_order_of_numbers(invoices: Iterable[Invoice]) -> Iterator[Invoice]:
    """As a run numbers them."""
    nobody = UUID(int=0)
    yield from sorted(
        invoices,
        key=lambda each: (
            each.customer_id,
            each.subscription_id or nobody,
            each.currency.code,
            each.period.start,
        ),
    )
