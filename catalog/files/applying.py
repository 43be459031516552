"""A whole catalog compared with documents, and made what they say: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sql
from catalog.features import archive_feature
from catalog.files.document import CatalogDocument, FeatureEntry, MeterEntry, PlanEntry
from catalog.files.export import catalog_of
from catalog.files.keeping import Finding, Keeper, Kind
from catalog.meter_register import retire_meter
from catalog.plan_catalog import archive_plan
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError
from core.ids import TenantId
from core.refusals import located
from db.postgres import Connection

Refusal = ValidationError | ConflictError | NotFoundError | BusinessLogicError
Entry = MeterEntry | FeatureEntry | PlanEntry

_REFUSALS: Final = (ValidationError, ConflictError, NotFoundError, BusinessLogicError)
_SAID_MAX: Final = 100
"""Findings that a refusal carries."""


@dataclass(frozen=True, slots=True)
class Source:
    """A document, and what paths into it begin with: the name of its file."""

    document: CatalogDocument
    name: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """How documents are meant.

    `draft`: plans are written as drafts, and not sold. `prune`: what can be sold and stands in no
    document is archived.
    """

    draft: bool = False
    prune: bool = False


@dataclass(slots=True)
class CatalogReport:
    """What became of each thing, or would; `refusals` are why some are impossible."""

    findings: list[Finding] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything changes, or cannot."""
        return any(each.outcome != "unchanged" for each in self.findings)

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            "differs": self.differs,
            "findings": [each.as_resource() for each in self.findings],
        }


def compare_documents(
    conn: Connection, clock: Clock, tenant_id: TenantId, sources: Sequence[Source], wish: Wish
) -> CatalogReport:
    """What `apply_documents` would do. It is done, and taken back: no check is written twice."""
    with conn.transaction(force_rollback=True):
        return _bring_in(conn, clock, tenant_id, sources, wish)


def apply_documents(
    conn: Connection, clock: Clock, tenant_id: TenantId, sources: Sequence[Source], wish: Wish
) -> CatalogReport:
    """Make the catalog what the documents say; the same documents again change nothing.

    Raises the first refusal, which counts the others and carries all findings: nothing may be
    committed then.
    """
    report = _bring_in(conn, clock, tenant_id, sources, wish)
    if not report.refusals:
        return report
    refusal = report.refusals[0]
    if more := len(report.refusals) - 1:
        refusal.message += f" (and {more} more)"
    findings = [each for each in report.findings if each.outcome != "unchanged"]
    refusal.details["findings"] = [each.as_resource() for each in findings[:_SAID_MAX]]
    raise refusal


def _bring_in(
    conn: Connection, clock: Clock, tenant_id: TenantId, sources: Sequence[Source], wish: Wish
) -> CatalogReport:
    conn.execute(sql.load("postgres/queries/lock_catalog"), {"tenant_id": tenant_id})
    keeper, report = Keeper(conn, clock, tenant_id), CatalogReport()
    known = catalog_of(conn, tenant_id) if wish.prune else {}
    named: dict[tuple[Kind, str], str] = {}
    for kind, entry, path in _entries(sources, wish):
        try:
            with conn.transaction():
                report.findings.append(_kept(keeper, kind, entry, path, named))
        except _REFUSALS as refusal:
            report.findings.append(Finding(kind, entry.slug, "impossible", (refusal.message,)))
            report.refusals.append(refusal)
    for finding in _pruned(conn, clock, tenant_id, known, named):
        report.findings.append(finding)
    return report


def _entries(sources: Sequence[Source], wish: Wish) -> Iterator[tuple[Kind, Entry, str]]:
    """In the order in which later ones refer to earlier ones."""
    for source in sources:
        for position, meter in enumerate(source.document.meters):
            yield "meter", meter, f"{source.name}meters[{position}]"
    for source in sources:
        for position, feature in enumerate(source.document.features):
            yield "feature", feature, f"{source.name}features[{position}]"
    for source in sources:
        for position, plan in enumerate(source.document.plans):
            meant = plan.model_copy(update={"draft": True}) if wish.draft else plan
            yield "plan", meant, f"{source.name}plans[{position}]"


def _kept(
    keeper: Keeper, kind: Kind, entry: Entry, path: str, named: dict[tuple[Kind, str], str]
) -> Finding:
    if (kind, entry.slug) in named:
        raise ValidationError(
            f"{path}.slug: {named[kind, entry.slug]} is called {entry.slug!r}, too; choose another",
            field=f"{path}.slug",
        )
    named[kind, entry.slug] = path
    if isinstance(entry, PlanEntry):
        return keeper.plan(entry, path)
    with located(path):
        return keeper.meter(entry) if isinstance(entry, MeterEntry) else keeper.feature(entry)


def _pruned(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    known: Mapping[str, Sequence[Mapping[str, Any]]],
    named: Mapping[tuple[Kind, str], str],
) -> Iterator[Finding]:
    """Archive what can be sold and was not named; what earlier versions need is kept."""
    values = {"tenant_id": tenant_id}
    priced = {
        row["meter"]: row["plan"]
        for row in conn.execute(sql.load("postgres/queries/select_priced_meters"), values)
    }
    archive: dict[Kind, Callable[..., object]] = {
        "plan": archive_plan,
        "feature": archive_feature,
        "meter": retire_meter,
    }
    for kind, act in archive.items():
        for slug in [each["slug"] for each in known.get(f"{kind}s", ())]:
            if (kind, slug) in named:
                continue
            if kind == "meter" and slug in priced:
                why = f"kept: versions of plan {priced[slug]!r} price it, which some may still have"
                yield Finding(kind, slug, "unchanged", (why,))
                continue
            act(conn, clock, tenant_id, slug)
            yield Finding(kind, slug, "archived")
