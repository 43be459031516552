"""What a subscription gives its customer at an instant: the lines of its plan and add-ons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from catalog.plan_view import shown_versions
from catalog.price_store import shown_price
from catalog.sold_lines import sold_lines
from core.money import Currency
from db.postgres import Connection
from subscriptions.contracts.negotiated import negotiated_with, price_at
from subscriptions.life.lifecycle import SERVED
from subscriptions.life.subscription import Subscription
from subscriptions.life.timeline import service_paused, terms_at

_ONE = Decimal(1)


def bought(conn: Connection, subscription: Subscription, at: datetime) -> dict[str, Any]:
    """The plan version and the add-ons that hold, each with its lines and what it gives.

    Agreed quantities are those of the subscription; those of an add-on are multiplied by how many
    there are; prices are those of its currency and phase, the customer's own where a contract says
    so. Nothing is given where it is
    over, waits, or its service is paused.
    """
    standing = subscription.standing
    held = terms_at(standing.terms, at)
    ended = standing.end is not None and standing.end <= at
    if held is None or ended or standing.status not in SERVED:
        return {
            "at": at.isoformat(),
            "served": False,
            "trial": False,
            "phase": None,
            "plan": None,
            "addons": [],
        }
    many = {held.plan_version_id: _ONE, **held.addons}
    versions = shown_versions(conn, subscription.tenant_id, list(many))
    phase = _price(versions, subscription.currency, held.phase)
    _reprice(conn, subscription, versions, at)
    agreed_in = {} if phase is None else phase["quantities"]
    for version_id, version in versions.items():
        for card in version["rate_cards"]:
            if card["quantity"] is not None:
                listed = Decimal(agreed_in.get(card["key"], card["quantity"]))
                agreed = held.quantities.get(card["key"], listed)
                card["quantity"] = f"{(agreed * many[version_id]).normalize():f}"
    return {
        "at": at.isoformat(),
        "served": not service_paused(standing.pauses, at),
        "trial": held.trial,
        "phase": phase,
        "plan": versions[held.plan_version_id],
        "addons": [
            {"quantity": f"{count:f}", **versions[version_id]}
            for version_id, count in held.addons.items()
        ],
    }


def _price(
    versions: Mapping[UUID, dict[str, Any]], currency: Currency, phase: str | None
) -> dict[str, Any] | None:
    """Show what each line costs in the subscription's currency and phase; the phase itself."""
    held = None
    for version in versions.values():
        [in_phase] = [each for each in version.pop("phases") if each["key"] == phase] or [None]
        special = {} if in_phase is None else {each["key"]: each for each in in_phase["prices"]}
        for card in version["rate_cards"]:
            prices = {version["currency"]: card["price"], **card.pop("prices")}
            if card["key"] in special:
                each = special[card["key"]]
                prices |= {version["currency"]: each["price"], **each["prices"]}
                card["phase"] = phase
            card["price"] = prices[currency.code]
        version["currency"] = currency.code
        del version["currencies"]
        if in_phase is not None:
            held = {name: each for name, each in in_phase.items() if name != "prices"}
    return held


def _reprice(
    conn: Connection,
    subscription: Subscription,
    versions: Mapping[UUID, dict[str, Any]],
    at: datetime,
) -> None:
    """Show the customer's own price of each line that has one, and whose contract says so."""
    tenant_id, payer = subscription.tenant_id, subscription.customer_id
    currency = subscription.currency
    prices = negotiated_with(conn, tenant_id, [payer])[payer].prices
    for version_id, lines in sold_lines(conn, tenant_id, versions).items() if prices else ():
        mine = [own for own in prices if own.holds_for(subscription.id, lines.plan_id, currency)]
        for card in versions[version_id]["rate_cards"]:
            own = price_at(mine, card["key"], at)
            if own is not None:
                card["price"] = shown_price(own.price, own.price_version)
                card["contract"] = own.contract
                card.pop("phase", None)
