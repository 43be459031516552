"""A tenant's catalog as the document that makes it elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Final

from catalog.features import Feature, features_by_slug
from catalog.meter_register import StoredMeter, page_of_meters
from catalog.plan_document import (
    EntitlementEntry,
    PhaseEntry,
    PhasePriceEntry,
    PlanContent,
    RateCardEntry,
)
from catalog.plan_view import Plan, page_of_plans, sold_versions
from core.ids import TenantId
from db.postgres import Connection
from rating.rounding import DEFAULT_ROUNDING_MODE

_PAGE: Final = 1_000
_GIVEN: Final = {"id", "version"}
"""What a stored price has beside what somebody wrote."""


def catalog_of(conn: Connection, tenant_id: TenantId) -> dict[str, list[dict[str, Any]]]:
    """What can be sold: meters, features and plans, by slug.

    A plan is told as the version that is sold, or as the draft that is to be its first. What is
    archived is not told, unless what is sold needs it.
    """
    plans = [
        entry
        for page in _plan_pages(conn, tenant_id)
        for entry in _plan_entries(page, sold_versions(conn, tenant_id, page))
    ]
    given = {each["feature"] for plan in plans for each in plan.get("entitlements", ())}
    features = [
        each
        for each in features_by_slug(conn, tenant_id).values()
        if each.archived_at is None or each.slug in given
    ]
    counted = {card.get("meter") for plan in plans for card in plan["rate_cards"]}
    counted |= {feature.meter for feature in features}
    meters = [
        each
        for each in _all_meters(conn, tenant_id)
        if not each.definition.archived or each.definition.slug in counted
    ]
    return {
        "meters": sorted(map(_meter_entry, meters), key=_slug),
        "features": sorted(map(_feature_entry, features), key=_slug),
        "plans": sorted(plans, key=_slug),
    }


def _all_meters(conn: Connection, tenant_id: TenantId) -> list[StoredMeter]:
    found: list[StoredMeter] = []
    while page := page_of_meters(
        conn,
        tenant_id,
        after=found[-1].definition.catalog_version if found else 0,
        limit=_PAGE,
    ):
        found += page
    return found


def _plan_pages(conn: Connection, tenant_id: TenantId) -> Iterable[list[Plan]]:
    last = ""
    for _ in count():
        page = page_of_plans(conn, tenant_id, after=last, limit=_PAGE, archived=False)
        if not page:
            return
        last = page[-1].slug
        yield page


def _slug(entry: Mapping[str, Any]) -> str:
    return str(entry["slug"])


def _meter_entry(meter: StoredMeter) -> dict[str, Any]:
    words = meter.definition.as_document()
    types = words.pop("event_types")
    told = {"event_type": types[0]} if len(types) == 1 else {"event_types": types}
    definition = meter.definition
    labels = _told({"unit": definition.unit, "metadata": _sorted(meter.metadata)})
    return {"slug": definition.slug, "name": definition.name, **told, **words, **labels}


def _feature_entry(feature: Feature) -> dict[str, Any]:
    words = {"meter": feature.meter, "metadata": _sorted(feature.metadata)}
    return {
        "slug": feature.slug,
        "name": feature.name,
        "kind": feature.kind,
        **_told(words),
    }


def _plan_entries(
    plans: Iterable[Plan], sold: Mapping[str, Mapping[str, Any]]
) -> Iterable[dict[str, Any]]:
    for plan in plans:
        content = sold.get(plan.slug) or plan.draft
        if content is not None:
            yield _plan_entry(plan, content, is_draft=plan.slug not in sold)


def _plan_entry(plan: Plan, content: Mapping[str, Any], *, is_draft: bool) -> dict[str, Any]:
    labels = {
        "kind": plan.kind if plan.kind != "plan" else None,
        "draft": is_draft,
        "description": plan.description,
    }
    about = {"limits": plan.limits, "metadata": _sorted(plan.metadata)}
    return {
        "slug": plan.slug,
        "name": plan.name,
        **_told(labels),
        "public": plan.public,
        **_told(about),
        **written_content(content),
    }


def written_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a draft, or of a version as it is shown, as somebody would write it."""
    entitlements = [_entry(EntitlementEntry, each) for each in content.get("entitlements", ())]
    inner = {
        "rate_cards": [_priced(RateCardEntry, card) for card in content["rate_cards"]],
        "entitlements": sorted(entitlements, key=lambda each: str(each["feature"])),
        "phases": [_phase(phase) for phase in content.get("phases", ())],
    }
    fields = {name: content.get(name) for name in PlanContent.model_fields}
    return _told(fields | inner)


def _phase(phase: Mapping[str, Any]) -> dict[str, Any]:
    prices = [_priced(PhasePriceEntry, each) for each in phase.get("prices", ())]
    told = _entry(PhaseEntry, phase) | {
        "free_meters": sorted(phase.get("free_meters", ())),
        "prices": prices,
        "quantities": _sorted(phase.get("quantities", {})),
    }
    return _told(told)


def _priced(
    kind: type[RateCardEntry | PhasePriceEntry], shown: Mapping[str, Any]
) -> dict[str, Any]:
    """A line, or its price in a phase, with its price in each currency."""
    told = _entry(kind, shown)
    if shown.get("price") is not None:
        told["price"] = _price(shown["price"])
    others = shown.get("prices") or {}
    told["prices"] = {currency: _price(others[currency]) for currency in sorted(others)}
    return _told(told)


def _price(shown: Mapping[str, Any]) -> dict[str, Any]:
    price = {name: value for name, value in shown.items() if name not in _GIVEN}
    if price.get("rounding") == DEFAULT_ROUNDING_MODE:
        del price["rounding"]
    return {"model": price.pop("model"), **{name: price[name] for name in sorted(price)}}


def _entry(
    kind: type[RateCardEntry | EntitlementEntry | PhaseEntry | PhasePriceEntry],
    shown: Mapping[str, Any],
) -> dict[str, Any]:
    """What of a shown thing its entry knows: new fields come by themselves."""
    told = {name: shown.get(name) for name in kind.model_fields}
    return {
        name: value
        for name, value in told.items()
        if value is not None and value != kind.model_fields[name].default
    }


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}, False)}


def _sorted(metadata: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(metadata.items()))
