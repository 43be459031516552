"""One entry of a document on its way into the catalog: created, relabelled, a version, the same.

Whoever has a document, a whole catalog or the set-up of a tenant, brings its entries in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from catalog.features import Feature, change_feature, create_feature, features_by_slug
from catalog.files.differences import differences
from catalog.files.document import FeatureEntry, MeterEntry, PlanEntry
from catalog.files.export import written_content
from catalog.meter_register import StoredMeter, find_meter, register_meter, relabel_meter
from catalog.meters import MeterDefinition, list_meters
from catalog.plan_catalog import (
    PlanLabels,
    activate_draft,
    change_plan,
    create_plan,
    write_draft,
)
from catalog.plan_document import parse_content, terms_of
from catalog.plan_terms import PlanTerms
from catalog.plan_view import Plan, page_of_plans, sold_versions
from catalog.plans import ensure_plan_version
from core.clock import Clock
from core.errors import ConflictError
from core.ids import TenantId
from core.refusals import located
from db.postgres import Connection

Kind = Literal["meter", "feature", "plan"]
Outcome = Literal[
    "created", "relabelled", "new version", "draft written", "archived", "unchanged", "impossible"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one thing; `lines` say how it differs from what it was."""

    kind: Kind
    slug: str
    outcome: Outcome
    lines: tuple[str, ...] = ()
    id: UUID | None = None
    """The meter's or feature's, and the plan version's; None while it is a draft."""
    version: int | None = None
    """The number of a version that is new."""

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            "kind": self.kind,
            "slug": self.slug,
            "outcome": self.outcome,
            "version": self.version,
            "lines": list(self.lines),
        }


class Keeper:
    """Entries on their way into one transaction; each raises its refusal, naming the field."""

    def __init__(self, conn: Connection, clock: Clock, tenant_id: TenantId) -> None:
        self._conn = conn
        self._clock = clock
        self._tenant_id = tenant_id
        self._meters = {meter.slug: meter for meter in list_meters(conn, tenant_id)}
        self._features = features_by_slug(conn, tenant_id)

    def meter(self, entry: MeterEntry) -> Finding:
        """The meter with this slug as the entry says. Raises `ConflictError` for another one."""
        known = self._meters.get(entry.slug)
        if known is None:
            document = entry.model_dump(exclude_none=True)
            made = register_meter(self._conn, self._clock, self._tenant_id, document).definition
            self._meters[entry.slug] = made
            return Finding("meter", entry.slug, "created", (), made.id)
        _check_same_meter(known, entry)
        lines = self._relabel_meter(entry)
        outcome: Outcome = "relabelled" if lines else "unchanged"
        return Finding("meter", entry.slug, outcome, lines, known.id)

    def _relabel_meter(self, entry: MeterEntry) -> tuple[str, ...]:
        """Give the meter the entry's labels; how they differ from those that it had."""
        before = find_meter(self._conn, self._tenant_id, entry.slug)
        after = relabel_meter(
            self._conn,
            self._clock,
            self._tenant_id,
            entry.slug,
            name=entry.name,
            unit=entry.unit,
            metadata=entry.metadata,
        )
        self._meters[entry.slug] = after.definition
        return tuple(differences(_labels(before), _labels(after)))

    def feature(self, entry: FeatureEntry) -> Finding:
        """The feature with this slug as the entry says. Raises `ConflictError` for another one."""
        known = self._features.get(entry.slug)
        if known is None:
            known = create_feature(
                self._conn,
                self._clock,
                self._tenant_id,
                slug=entry.slug,
                name=entry.name,
                kind=entry.kind,
                meter=entry.meter,
                metadata=entry.metadata,
            )
            self._features[entry.slug] = known
            return Finding("feature", entry.slug, "created", (), known.id)
        _check_same_feature(known, entry)
        changed = change_feature(
            self._conn,
            self._clock,
            self._tenant_id,
            entry.slug,
            name=entry.name,
            metadata=entry.metadata,
        )
        self._features[entry.slug] = changed
        was, now = ({"name": each.name, "metadata": each.metadata} for each in (known, changed))
        lines = tuple(differences(was, now))
        outcome: Outcome = "relabelled" if lines else "unchanged"
        return Finding("feature", entry.slug, outcome, lines, known.id)

    def plan(self, entry: PlanEntry, path: str = "") -> Finding:
        """The plan with this slug as the entry, which stands at `path`, says."""
        terms = terms_of(entry, self._meters, self._features, path)
        with located(path):
            [known, *_] = [*page_of_plans(self._conn, self._tenant_id, slug=entry.slug), None]
            before = self._told(known, entry)
            limits = entry.limits if "limits" in entry.model_fields_set else None
            labels = PlanLabels(entry.name, entry.description, entry.public, entry.metadata, limits)
            labels.check()
            if entry.draft:
                return self._draft(entry, known, labels, terms, before)
            version, is_new = ensure_plan_version(
                self._conn,
                self._clock,
                self._tenant_id,
                slug=entry.slug,
                name=entry.name,
                terms=terms,
                limits=known.limits if known is not None and limits is None else entry.limits,
                kind=entry.kind,
            )
            after = change_plan(self._conn, self._clock, self._tenant_id, entry.slug, labels)
            if self._says(after.draft, terms):  # what is sold now is no draft any more
                activate_draft(self._conn, self._clock, self._tenant_id, entry.slug)
        lines = () if known is None else tuple(differences(before, self._told(after, entry)))
        outcome: Outcome = "created"
        if known is not None:
            outcome = "new version" if is_new else "relabelled" if lines else "unchanged"
        number = version.number if is_new else None
        return Finding("plan", entry.slug, outcome, lines, version.id, number)

    def _draft(
        self,
        entry: PlanEntry,
        known: Plan | None,
        labels: PlanLabels,
        terms: PlanTerms,
        before: Mapping[str, Any],
    ) -> Finding:
        """Write what is to be sold; what is sold already, or drafted so, is not written again."""
        place = (self._conn, self._clock, self._tenant_id, entry.slug)
        if known is None:
            create_plan(*place, labels, entry.content(), entry.kind)
            return Finding("plan", entry.slug, "created")
        if known.kind != entry.kind:
            raise ConflictError(
                f"kind: {entry.slug!r} is final and a {known.kind}; create another one",
                field="kind",
            )
        after = change_plan(*place, labels)
        is_new = not self._says(known.draft or self._sold(known), terms)
        if is_new:
            after = write_draft(*place, entry.content())
        lines = tuple(differences(before, self._told(after, entry)))
        outcome: Outcome = "draft written" if is_new else "relabelled" if lines else "unchanged"
        return Finding("plan", entry.slug, outcome, lines)

    def _sold(self, plan: Plan) -> Mapping[str, Any] | None:
        return sold_versions(self._conn, self._tenant_id, [plan]).get(plan.slug)

    def _says(self, content: Mapping[str, Any] | None, terms: PlanTerms) -> bool:
        """Whether the content of a draft, or of a version, comes to these terms."""
        if content is None:
            return False
        written = parse_content(written_content(content))
        return terms_of(written, self._meters, self._features).content_hash == terms.content_hash

    def _told(self, plan: Plan | None, entry: PlanEntry) -> Mapping[str, Any]:
        """A plan with what is sold of it, or drafted where the entry is a draft."""
        if plan is None:
            return {}
        sold = self._sold(plan)
        content = (plan.draft or sold) if entry.draft else sold
        return {
            "name": plan.name,
            "description": plan.description,
            "public": plan.public,
            "metadata": plan.metadata,
            "limits": plan.limits,
            **({} if content is None else written_content(content)),
        }


def _labels(meter: StoredMeter) -> dict[str, Any]:
    definition = meter.definition
    return {"name": definition.name, "unit": definition.unit, "metadata": meter.metadata}


def _check_same_meter(known: MeterDefinition, entry: MeterEntry) -> None:
    wanted = MeterDefinition.from_document(
        entry.definition(),
        meter_id=known.id,
        tenant_id=known.tenant_id,
        slug=entry.slug,
        name=entry.name,
        catalog_version=known.catalog_version,
    )
    before, now = known.as_document(), wanted.as_document()
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            field = "event_type" if name == "event_types" else name
            raise ConflictError(
                f"{field}: the meter {entry.slug!r} is final and has {before.get(name)!r}; create a"
                " meter with another slug",
                field=field,
            )


def _check_same_feature(known: Feature, entry: FeatureEntry) -> None:
    for word, before, now in (
        ("kind", known.kind, entry.kind),
        ("meter", known.meter, entry.meter),
    ):
        if before != now:
            raise ConflictError(
                f"{word}: the feature {entry.slug!r} is final and has {before!r}; create a"
                " feature with another slug",
                field=word,
            )
