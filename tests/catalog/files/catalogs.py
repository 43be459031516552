"""Random catalogs: documents of meters, features and plans that fit together."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from catalog.files.document import CatalogDocument, FeatureEntry, MeterEntry, PlanEntry
from catalog.plan_document import (
    EntitlementEntry,
    PhaseEntry,
    PhasePriceEntry,
    RateCardEntry,
    price_of,
)
from core.money import Currency

EXAMPLES = Path(__file__).parents[3] / "docs" / "reference" / "prices" / "examples"
LINES = "percent_of_lines"

TOLD: dict[type, set[str]] = {
    CatalogDocument: {"meters", "features", "plans"},
    MeterEntry: {
        "slug", "name", "event_type", "event_types", "aggregation", "value", "filter",
        "dimensions", "unit", "conversion", "per", "percentile", "metadata",
    },
    FeatureEntry: {"slug", "name", "kind", "meter", "metadata"},
    PlanEntry: {
        "slug", "name", "kind", "draft", "description", "public", "limits", "metadata",
        "currency", "rate_cards", "entitlements", "phases",
    },
    RateCardEntry: {
        "key", "name", "meter", "cadence", "every", "timing", "quantity", "price", "prices",
    },
    PhaseEntry: {"key", "name", "lasts", "trial", "free_meters", "prices", "quantities"},
    PhasePriceEntry: {"key", "price", "prices"},
    EntitlementEntry: {"feature", "limit", "hard", "reset", "value"},
}  # fmt: skip
"""What these catalogs use of each entry. A field that is new belongs here, and below."""


def example_prices() -> list[dict[str, Any]]:
    """A price of each model, as the reference shows it."""
    return [
        {name: each for name, each in price.items() if name != "key"}
        for file in sorted(EXAMPLES.glob("*.toml"))
        for price in tomllib.loads(file.read_text())["prices"]
    ]


PRICES = example_prices()
_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x00"),
    min_size=1,
    max_size=9,
).filter(str.strip)
_metadata = st.dictionaries(_text, _text, max_size=2)
_kinds: st.SearchStrategy[list[str]] = st.lists(
    st.sampled_from(["boolean", "static", "metered"]), max_size=3
)


@st.composite
def meters(draw: st.DrawFn, slug: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"slug": slug, "name": draw(_text), "event_type": draw(_text)}
    entry["aggregation"] = draw(st.sampled_from(["sum", "max", "count", "weighted_sum"]))
    if entry["aggregation"] != "count":
        entry["value"] = "usage.amount"
    if entry["aggregation"] == "weighted_sum":
        entry["per"] = "hour"
    if draw(st.booleans()):
        entry["event_types"] = [entry.pop("event_type"), draw(_text)]
    if draw(st.booleans()):
        test = {"path": "kind", "in": [draw(_text), draw(_text)]}
        entry["filter"] = {"and": [test, {"or": [{"path": "big", "exists": True}, test]}]}
    if draw(st.booleans()):
        entry["dimensions"] = {"region": "where", "model": 'a."b c"'}
    entry["unit"] = draw(st.just("") | _text)
    if draw(st.booleans()):
        entry["metadata"] = draw(_metadata)
    return entry


def _meter_for(slug: str, price: dict[str, Any]) -> dict[str, Any]:
    terms = price_of(price, Currency("EUR"))
    return {
        "slug": slug,
        "name": slug,
        "event_type": "use",
        "aggregation": "sum",
        "value": "n",
        "dimensions": {name: name for name in terms.group_by},
    }


@st.composite
def lines(draw: st.DrawFn, slug: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines of a plan, and the meters that they are for."""
    cards: list[dict[str, Any]] = []
    needed = []
    chosen = [price for price in PRICES if price["model"] != LINES]
    for number, price in enumerate(draw(st.lists(st.sampled_from(chosen), min_size=1, max_size=4))):
        card = {"key": f"line-{number}", "name": draw(_text), "price": price}
        terms = price_of(price, Currency("EUR"))
        may_agree = terms.metered and not terms.group_by and not terms.rated_by.over_events
        if may_agree and draw(st.booleans()):
            card["quantity"] = draw(st.sampled_from(["1", 3, "2.50"]))
        elif terms.metered:
            card["meter"] = f"{slug}-{number}"
            needed.append(_meter_for(card["meter"], price))
        if draw(st.booleans()):
            card["cadence"] = draw(st.sampled_from(["monthly", "yearly"]))
        if draw(st.booleans()):
            # A multiple of each of the cadences; of a cadence itself, it says nothing.
            card["every"] = draw(st.sampled_from(["yearly", "every 2 years"]))
        if "meter" not in card:
            card["timing"] = draw(st.sampled_from(["in_arrears", "in_advance"]))
        cards.append(card)
    own = any("every" in card or card.get("timing") == "in_advance" for card in cards)
    if not own and draw(st.booleans()):
        share: dict[str, Any] = {"model": LINES, "percent": "3", "lines": ["line-*"]}
        share["adjustments"] = {"minimum": "1.50"}
        cards.append({"key": "share", "name": "Share", "price": share})
    return cards, needed


def _priced(draw: st.DrawFn, price: dict[str, Any], currencies: list[str]) -> dict[str, Any]:
    """The price in all of these: one of them by itself, or all by their currency."""
    prices = dict.fromkeys(currencies, price)
    if draw(st.booleans()):
        del prices["EUR"]
        return {"price": price, "prices": prices} if prices else {"price": price}
    return {"prices": prices}


@st.composite
def phases(
    draw: st.DrawFn, cards: list[dict[str, Any]], currencies: list[str]
) -> list[dict[str, Any]]:
    """What holds first: maybe a trial, then maybe ramps, of which the last may be without end."""
    found = []
    kinds = ["trial"] * draw(st.integers(0, 1)) + ["ramp"] * draw(st.integers(0, 2))
    for number, kind in enumerate(kinds):
        lasts = draw(st.sampled_from(["P14D", "P2W", "P3M", "P1Y"]))
        phase: dict[str, Any] = {"key": f"phase-{number}", "name": draw(_text), "lasts": lasts}
        if kind == "trial":
            phase["trial"] = True
            free = sorted({card["meter"] for card in cards if "meter" in card})
            phase["free_meters"] = draw(st.permutations(free)) if draw(st.booleans()) else []
        for card in cards if kind == "ramp" else ():
            if draw(st.booleans()):
                price = card["price"] if "price" in card else card["prices"]["EUR"]
                entry = {"key": card["key"], **_priced(draw, price, currencies)}
                phase.setdefault("prices", []).append(entry)
            if "quantity" in card and draw(st.booleans()):
                phase.setdefault("quantities", {})[card["key"]] = draw(st.sampled_from(["4", 2]))
        found.append(phase)
    if found and not found[-1].get("trial") and draw(st.booleans()):
        del found[-1]["lasts"]
    return found


@st.composite
def given_features(draw: st.DrawFn, features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a plan gives of each."""
    given = []
    for feature in features:
        entry: dict[str, Any] = {"feature": feature["slug"]}
        if feature["kind"] == "static":
            entry["value"] = draw(_text)
        if feature["kind"] == "metered" and draw(st.booleans()):
            entry |= {"limit": draw(st.sampled_from(["5", 7, "1.50"])), "hard": draw(st.booleans())}
            entry["reset"] = "monthly"
        given.append(entry)
    return list(draw(st.permutations(given)))


@st.composite
def plans(draw: st.DrawFn, slug: str, features: list[dict[str, Any]]) -> tuple[Any, Any]:
    """A plan, and the meters that its lines are for."""
    cards, needed = draw(lines(slug))
    currencies = ["EUR", *draw(st.sampled_from([[], ["USD"], ["JPY", "USD"]]))]
    cards = [
        {name: each for name, each in card.items() if name != "price"}
        | _priced(draw, card["price"], currencies)
        for card in cards
    ]
    plan = {
        "slug": slug,
        "name": draw(_text),
        "currency": "EUR",
        "draft": draw(st.booleans()),
        "description": draw(st.just("") | _text),
        "public": draw(st.booleans()),
        "metadata": draw(_metadata),
        "rate_cards": cards,
        "entitlements": draw(given_features(features)),
        "phases": draw(phases(cards, currencies)),
    }
    if draw(st.booleans()):
        plan["limits"] = {"seats": 5, "regions": ["eu"]}
    return plan, needed


@st.composite
def catalogs(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    made = [draw(meters(f"meter-{number}")) for number in range(draw(st.integers(1, 3)))]
    features = []
    for number, kind in enumerate(draw(_kinds)):
        feature: dict[str, Any] = {"slug": f"feature-{number}", "name": draw(_text), "kind": kind}
        if kind == "metered":
            feature["meter"] = "meter-0"
        if draw(st.booleans()):
            feature |= {"metadata": draw(_metadata)}
        features.append(feature)
    sold: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 3))):
        plan, needed = draw(plans(f"plan-{number}", features))
        sold.append(plan)
        made += needed
    if draw(st.booleans()):
        price = {"model": "per_unit", "amount": "2"}
        seats = {"key": "seats", "name": "Seats", "price": price, "quantity": "1"}
        sold.append(
            {"slug": "more", "name": "More", "kind": "addon", "currency": "EUR"}
            | {"rate_cards": [seats]}
        )
    return {"meters": made, "features": features, "plans": sold}
