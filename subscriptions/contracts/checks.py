"""What cannot be agreed on: prices that fit no line, two for one line, or for what is billed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from catalog.price_store import terms_of
from catalog.sold_lines import SoldLines, sold_lines
from core.errors import BusinessLogicError, ConflictError, ValidationError
from core.money import Currency
from core.refusals import located
from db.postgres import Connection
from subscriptions.contracts.negotiated import (
    CustomPrice,
    Negotiated,
    edges,
    negotiated_with,
    price_at,
)
from subscriptions.life.subscription import Subscription


def refuse_clashes(known: Negotiated, new: Negotiated) -> None:
    """Raise `ConflictError` naming both contracts where one line would have two prices."""
    prices = [*known.prices]
    for own in new.prices:
        for other in prices:
            if own.clashes(other):
                raise ConflictError(
                    f"prices: contracts {other.contract!r} and {own.contract!r} would both price"
                    f" the line {own.key!r} at {max(own.start, other.start).isoformat()}; end the"
                    " one before the other begins",
                    field="prices",
                )
        prices.append(own)
    for minimum in new.minimums:
        for each in known.minimums:
            if minimum.clashes(each):
                raise ConflictError(
                    f"minimum: contracts {each.contract!r} and {minimum.contract!r} would both"
                    f" set one at {max(minimum.start, each.start).isoformat()}; end the one before"
                    " the other begins",
                    field="minimum",
                )


def refuse_invoiced(subscriptions: Iterable[Subscription], at: datetime, field: str) -> None:
    """Raise `BusinessLogicError`, naming the earliest instant, where `at` is invoiced already."""
    for each in subscriptions:
        if each.billed_until is not None and at < each.billed_until:
            raise BusinessLogicError(
                f"{field}: subscription {each.slug!r} is invoiced up to"
                f" {each.billed_until.isoformat()}; give that instant or a later one",
                field=field,
            )


def check_custom_prices(conn: Connection, subscription: Subscription) -> None:
    """Raise `ValidationError` where what a customer was promised does not fit what it buys."""
    known = negotiated_with(conn, subscription.tenant_id, [subscription.customer_id])
    check_fit(conn, subscription, known[subscription.customer_id].prices)


def check_fit(conn: Connection, subscription: Subscription, prices: Sequence[CustomPrice]) -> None:
    """Raise `ValidationError` for prices of which one does not fit a line that it would have."""
    if not prices:
        return
    stands, currency = subscription.standing, subscription.currency
    terms = stands.terms or (stands.chosen(stands.start),)  # it waits for its first payment
    sold = sold_lines(
        conn,
        subscription.tenant_id,
        {version for each in terms for version in (each.plan_version_id, *each.addons)},
    )
    for each in terms:
        for version_id in (each.plan_version_id, *each.addons):
            lines = sold[version_id]
            mine = [
                own for own in prices if own.holds_for(subscription.id, lines.plan_id, currency)
            ]
            for at in edges(mine, each.start, each.end):
                _check_lines(lines, mine, at, each.phase, currency)


def _check_lines(
    lines: SoldLines,
    mine: Sequence[CustomPrice],
    at: datetime,
    phase: str | None,
    currency: Currency,
) -> None:
    found = [price_at(mine, card.key, at) for card in lines.cards]
    with located("prices"):
        prices = {own.key: terms_of(own.price) for own in found if own is not None}
        lines.check_prices(prices, phase, currency)


def check_term(start: datetime, end: datetime | None, field: str) -> None:
    """Raise `ValidationError` for an end that is not after the start."""
    if end is not None and end <= start:
        raise ValidationError(
            f"{field}: {end.isoformat()} is not after the start, {start.isoformat()}", field=field
        )


def check_within(
    contract: tuple[datetime, datetime | None], price: tuple[datetime, datetime | None]
) -> None:
    """Raise `ValidationError` for a price that sticks out of its contract's term."""
    (start, end), (begins, ends) = contract, price
    check_term(begins, ends, "end")
    if begins < start:
        raise ValidationError(
            f"start: {begins.isoformat()} is before the contract begins, {start.isoformat()}",
            field="start",
        )
    if end is not None and (ends is None or ends > end):
        raise ValidationError(
            f"end: the contract ends before, at {end.isoformat()}; give that or an earlier one",
            field="end",
        )
