"""What a customer is given of a feature at an instant: pure, of the facts and the instant alone.

Several subscriptions and add-ons that give a feature are taken together, the oldest subscription
first, its plan before its add-ons:

- limits add up, an add-on's as often as it was bought; one without end makes the whole so;
- hard wins: beyond the sum nothing is let through if any of them says so;
- the first one's reset says in which windows all of it counts, and its text is the value.

An override that holds stands in place of all of it. Grants come on top (`entitlements.burning`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from core.calendar.cycle import Cycle
from core.calendar.intervals import MONTHLY, Interval
from core.calendar.zones import instant_of, parse_time_zone
from core.ids import format_id
from core.period import Period
from entitlements.facts import Facts, Offer
from subscriptions.life.subscription import Subscription
from subscriptions.life.timeline import Terms, service_paused, terms_at

_FIRST_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Given:
    """What is given at an instant, and the window `[start, end)` that it counts in.

    `sources` say what gives it; `subscription` is the one to which its use is written.
    """

    limit: Decimal | None
    hard: bool
    value: str | None
    window: Period
    sources: tuple[str, ...]
    subscription: Subscription | None


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    offer: Offer
    times: Decimal
    subscription: Subscription


def given_at(facts: Facts, feature: str, at: datetime) -> Given | None:
    """What the customer is given of a feature at an instant; None: it may not use it."""
    override = next((o for o in facts.overrides if o.feature == feature and o.holds(at)), None)
    sources = list(_sources(facts, feature, at))
    first = sources[0] if sources else None
    if override is None and first is None:
        return None
    offer: Offer | None
    names: tuple[str, ...]
    if override is not None:
        offer, names = override.offer, (f"override:{format_id('ovr', override.id)}",)
    else:
        assert first is not None
        hard = any(each.offer.hard for each in sources)
        offer = Offer(_sum(sources), hard, first.offer.reset, first.offer.value)
        names = tuple(each.name for each in sources)
    if offer is None:
        return None
    bearer = first.subscription if first is not None else next(served(facts, at), (None, None))[0]
    window = _window(facts, bearer, offer.reset, at)
    return Given(offer.limit, offer.hard, offer.value, window, names, bearer)


def edges(facts: Facts, feature: str) -> set[datetime]:
    """All instants, but for the starts of windows, at which something else may be given."""
    found: set[datetime | None] = set()
    for subscription in facts.subscriptions:
        stands = subscription.standing
        found |= {stands.start, stands.end}
        found |= {edge for each in stands.terms for edge in (each.start, each.end)}
        found |= {edge for each in stands.pauses for edge in (each.start, each.end)}
    overrides = (each for each in facts.overrides if each.feature == feature)
    grants = (each for each in facts.grants if each.feature == feature)
    found |= {edge for each in overrides for edge in (each.start, each.end)}
    found |= {edge for each in grants for edge in (each.start, each.end)}
    return {edge for edge in found if edge is not None}


def _sources(facts: Facts, feature: str, at: datetime) -> Iterator[_Source]:
    for subscription, terms in served(facts, at):
        versions = [(terms.plan_version_id, Decimal(1)), *sorted(terms.addons.items())]
        for version_id, times in versions:
            offer = facts.offers.get(version_id, {}).get(feature)
            if offer is not None and times > 0:
                kind = "plan" if version_id == terms.plan_version_id else "addon"
                name = f"{kind}:{format_id('plv', version_id)}"
                yield _Source(name, offer, times, subscription)


def served(facts: Facts, at: datetime) -> Iterator[tuple[Subscription, Terms]]:
    """The subscriptions that the customer has something of at an instant."""
    for subscription in facts.subscriptions:
        stands = subscription.standing
        over = stands.end is not None and stands.end <= at
        terms = terms_at(stands.terms, at)
        if terms is None or over or stands.status == "FREE" or service_paused(stands.pauses, at):
            continue
        yield subscription, terms


def _sum(sources: list[_Source]) -> Decimal | None:
    total = Decimal(0)
    for each in sources:
        if each.offer.limit is None:
            return None
        total += each.offer.limit * each.times
    return total


def _window(
    facts: Facts, subscription: Subscription | None, reset: Interval | None, at: datetime
) -> Period:
    """Of the subscription's own periods where there is no `reset`; steps from the same anchor.

    Without a subscription: calendar months, or the reset's steps from 1 January 1970, in the
    customer's zone. No window begins before its subscription.
    """
    if subscription is None:
        zone = parse_time_zone(facts.customer.time_zone)
        return Cycle(instant_of(_FIRST_DAY, zone), zone, reset or MONTHLY).period_of(at)
    zone = parse_time_zone(subscription.time_zone)
    window = Cycle(subscription.anchor, zone, reset or subscription.interval).period_of(at)
    return Period(max(window.start, min(subscription.standing.start, at)), window.end)
