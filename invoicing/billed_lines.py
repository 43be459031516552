"""What due periods are billed: the lines of the plans that held in them, and for how long.

Terms that change within a period make several lines of one key, each for its part. A line whose
price and quantity go on is one line, so that its tiers go on, too. An era is a time in which the
percentages of other lines stay what they are: lines end with it, so that each percentage is of all
that was billed in its own era. Prices of the customer's own go before those of a phase, and those
before the plan's, while they hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sql
from catalog.line_prices import NO_OTHERS, OtherPrices, other_prices
from catalog.meters import MeterDefinition
from catalog.price_store import price_of_row
from catalog.sold_lines import meter_of_row
from core.calendar.intervals import Interval
from core.errors import BusinessLogicError
from core.ids import MeterId, TenantId
from core.money import Currency
from core.period import Period
from db.postgres import Connection
from invoicing.model import MINIMUM_KEY, OF_THE_PERIOD, PlanLine, Rhythm
from rating.prices import model_named
from subscriptions.contracts.negotiated import (
    NOTHING,
    CustomPrice,
    Minimum,
    Negotiated,
    edges,
    price_at,
)
from subscriptions.life.timeline import Terms
from subscriptions.periods import DuePeriod


@dataclass(frozen=True, slots=True)
class BilledPlan:
    """A plan version for one billing cycle."""

    name: str
    version: int
    lines: tuple[PlanLine, ...]
    meters: tuple[MeterDefinition, ...]
    plan_id: UUID | None = None
    others: OtherPrices = NO_OTHERS

    @property
    def rhythms(self) -> set[Rhythm]:
        """When its lines are billed, beside those that are of the period."""
        return {line.rhythm for line in self.lines} - {OF_THE_PERIOD}


_ONE: Final = Decimal(1)

Plans = Mapping[tuple[UUID, Interval], BilledPlan]
"""By plan version and billing cycle."""


def billed_lines(
    due: DuePeriod,
    plans: Plans,
    negotiated: Negotiated = NOTHING,
    rhythm: Rhythm = OF_THE_PERIOD,
) -> tuple[PlanLine, ...]:
    """What a due period is billed, in the order of the plan that held last; maybe nothing.

    Lines of one rhythm, for which the due period is one of their own.
    `negotiated` with its customer goes before the plans' prices; minimums come last. Raises
    `BusinessLogicError` for a plan without lines of the subscription's cycle.
    """
    found: dict[str, list[PlanLine]] = {}
    era, percentages, until = due.period.start, None, None
    for terms in due.terms:
        for part, lines in _parts_of(terms, due, plans, negotiated, rhythm):
            now = {(line.key, line.price.price_id) for line in lines if _of_lines(line)}
            if now != percentages or part.start != until:
                era, percentages = part.start, now
            until = part.end
            for line in lines:
                _add(found.setdefault(line.key, []), replace(line, era=era))
    last = plans[due.terms[-1].plan_version_id, due.billing_cycle].lines if due.terms else ()
    keys = dict.fromkeys([line.key for line in last if line.key in found] + list(found))
    lines = [line for key in keys for line in found[key]]
    plain = rhythm == OF_THE_PERIOD
    return tuple(
        replace(
            line,
            span=None if line.span == due.period else line.span,
            era=None if line.era == due.period.start else line.era,
        )
        for line in (*lines, *(_minimums(due, negotiated.minimums) if plain else ()))
    )


def _parts_of(
    terms: Terms, due: DuePeriod, plans: Plans, negotiated: Negotiated, rhythm: Rhythm
) -> Iterator[tuple[Terms, list[PlanLine]]]:
    """The lines of the plan and its add-ons, part by part between prices of the customer's own."""
    held = [(terms.plan_version_id, _ONE), *terms.addons.items()]
    sold = [
        (plan, many, _prices_of(plan, due, negotiated))
        for version_id, many in held
        for plan in [_billed_plan(plans, version_id, due)]
    ]
    for part in _parts(terms, [each for _, _, own in sold for each in own]):
        lines = [
            (_repriced(_in_phase(listed, plan, part.phase, due.currency), own, part.start), many)
            for plan, many, own in sold
            for listed in plan.lines
            if listed.rhythm == rhythm
        ]
        free = frozenset[MeterId]().union(*(_free_meters(plan, part) for plan, _, _ in sold))
        yield (
            part,
            [
                _during(line, part, many)
                for line, many in lines
                if not (part.trial and (_waived(line) or line.meter_id in free))
            ],
        )


def _billed_plan(plans: Plans, version_id: UUID, due: DuePeriod) -> BilledPlan:
    plan = plans[version_id, due.billing_cycle]
    if not plan.lines:
        raise BusinessLogicError(
            f"plan version {version_id}: has no lines that are billed {due.billing_cycle}, so there"
            " is nothing to bill"
        )
    return plan


def _prices_of(plan: BilledPlan, due: DuePeriod, negotiated: Negotiated) -> list[CustomPrice]:
    """The customer's own prices for lines of a plan."""
    if not negotiated.prices:
        return []
    keys = {line.key for line in plan.lines}
    return [
        own
        for own in negotiated.prices
        if own.key in keys and own.holds_for(due.subscription_id, plan.plan_id, due.currency)
    ]


def _parts(terms: Terms, own: Sequence[CustomPrice]) -> list[Terms]:
    """The terms, apart where prices of the customer's own begin or end.

    All lines come apart, and those that go on are put together again.
    """
    starts = edges(own, terms.start, terms.end)
    ends = [*starts[1:], terms.end]
    return [replace(terms, start=a, end=b) for a, b in zip(starts, ends, strict=True)]


def _in_phase(line: PlanLine, plan: BilledPlan, phase: str | None, currency: Currency) -> PlanLine:
    """The line as the plan sells it in a currency and a phase."""
    found = plan.others.price(line.key, phase, currency.code)
    if found is not None:
        line = replace(line, price=found.price, price_version=found.version, phase=found.phase)
    held = plan.others.phases.get(phase or "")
    if held is None:
        return line
    return replace(line, quantity=held.quantities.get(line.key, line.quantity))


def _free_meters(plan: BilledPlan, terms: Terms) -> frozenset[MeterId]:
    """The meters whose usage the phase of a plan gives for nothing."""
    phase = plan.others.phases.get(terms.phase or "")
    return frozenset() if phase is None else phase.free_meters


def _repriced(line: PlanLine, own: Sequence[CustomPrice], at: datetime) -> PlanLine:
    found = price_at(own, line.key, at) if own else None
    if found is None:
        return line
    version, contract = found.price_version, found.contract_id
    return replace(line, price=found.price, price_version=version, contract_id=contract, phase=None)


def _minimums(due: DuePeriod, minimums: Sequence[Minimum]) -> list[PlanLine]:
    """What the period comes to at least, for the time that is billed and no trial."""
    lines: list[PlanLine] = []
    for minimum in minimums:
        if minimum.subscription_id != due.subscription_id:
            continue
        mine: list[PlanLine] = []
        for terms in due.terms:
            assert terms.end is not None, "what is billed of a period ends"
            start = max(terms.start, minimum.start)
            end = terms.end if minimum.end is None else min(terms.end, minimum.end)
            if start < end and not terms.trial:
                # In an era of its own: no percentage is of what is not billed yet.
                line = replace(_minimum(minimum, Period(start, end)), era=due.period.end)
                _add(mine, line)
        lines += mine
    return lines


def _minimum(minimum: Minimum, span: Period) -> PlanLine:
    return PlanLine(
        MINIMUM_KEY,
        f"{minimum.name}: up to the minimum",
        None,
        minimum.price,
        minimum.price_version,
        span=span,
        contract_id=minimum.contract_id,
        minimum=True,
    )


def _waived(line: PlanLine) -> bool:
    """A trial waives what is due whatever is used: fees, and agreed quantities."""
    return line.meter_id is None and not _of_lines(line)


def _of_lines(line: PlanLine) -> bool:
    return model_named(line.price.model).of_lines


def _during(line: PlanLine, terms: Terms, many: Decimal) -> PlanLine:
    """The line as it is billed while the terms hold: of an add-on, so many times its quantity."""
    assert terms.end is not None, "what is billed of a period ends"
    quantity = line.quantity
    if quantity is not None:
        quantity = terms.quantities.get(line.key, quantity) * many
    return replace(line, quantity=quantity, span=Period(terms.start, terms.end))


def _add(lines: list[PlanLine], line: PlanLine) -> None:
    """Add a line, or let the one before go on."""
    if lines and lines[-1].era == line.era:
        before = lines[-1]
        assert before.span is not None
        assert line.span is not None
        goes_on = before.price.price_id == line.price.price_id
        goes_on &= (before.quantity, before.meter_id) == (line.quantity, line.meter_id)
        if goes_on and before.span.end == line.span.start:
            lines[-1] = replace(line, span=Period(before.span.start, line.span.end))
            return
    lines.append(line)


def plans_of(
    conn: Connection, tenant_id: TenantId, block: Sequence[DuePeriod]
) -> dict[tuple[UUID, Interval], BilledPlan]:
    """What each plan version of a block has for each billing cycle that it is subscribed to."""
    wanted = {
        (version_id, due.billing_cycle)
        for due in block
        for each in (due.life.terms if due.life else due.terms)
        for version_id in (each.plan_version_id, *each.addons)
    }
    rows: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in conn.execute(
        sql.load("postgres/queries/select_plan_lines"),
        {
            "tenant_id": tenant_id,
            "plan_version_ids": sorted({version for version, _ in wanted}),
        },
    ):
        rows[row["plan_version_id"]].append(row)
    others = other_prices(conn, tenant_id, rows)
    return {
        (version_id, cycle): _plan(tenant_id, rows[version_id], cycle, others[version_id])
        for version_id, cycle in wanted
    }


def _plan(
    tenant_id: TenantId, rows: Sequence[dict[str, Any]], cycle: Interval, others: OtherPrices
) -> BilledPlan:
    lines = [row for row in rows if row["cadence"] in {None, str(cycle)}]
    return BilledPlan(
        name=lines[0]["plan_name"] if lines else "",
        version=lines[0]["plan_version"] if lines else 0,
        lines=tuple(_plan_line(row, cycle) for row in lines),
        meters=tuple(meter_of_row(tenant_id, row) for row in lines if row["meter_id"]),
        plan_id=lines[0]["plan_id"] if lines else None,
        others=others,
    )


def _plan_line(row: dict[str, Any], cycle: Interval) -> PlanLine:
    meter_id = MeterId(row["meter_id"]) if row["meter_id"] else None
    every = None if row["every"] is None else Interval.parse(row["every"])
    return PlanLine(
        row["key"],
        row["name"],
        meter_id,
        price_of_row(row),
        row["price_version"],
        row["quantity"],
        in_advance=row["timing"] == "in_advance",
        every=None if every is None or cycle.is_multiple_of(every) else every,
    )
