"""Usage of a block of due periods: read per span of time, then attributed to subscriptions.

A line may be billed for a part of its period. Quantities that add up are read of that part alone.
Others (the largest value, different users) are what the part adds to the time before it: Q(start of
the period to end of the part) - Q(start of the period to start of the part), so that the parts come
to what the whole period would. What may fall (the latest value) is what the part adds to the most
that the parts before it showed: what it fell by is not paid back, and not billed again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import polars as pl

from catalog.meters import MeterDefinition
from core.errors import BusinessLogicError
from core.ids import SubscriptionId, TenantId
from core.period import Period
from invoicing.used import (
    COUNTS,
    GROUPED_SUBJECT_USAGE,
    SUBJECT_KEY,
    SUBJECT_USAGE,
    Used,
)
from invoicing.ways import PLAIN, Way
from rating.frames import GROUPED_EVENTS, QUANTITY_DTYPE
from rating.sums import sum_quantities
from subscriptions.periods import DuePeriod
from usage.cut import Cut
from usage.grouped import Grouping, MergedRows, grouped_usage
from usage.priced_events import MeasuredEvents, priced_events
from usage.union import adds_up

_OWNER: Final = pl.Schema(
    {
        **{name: SUBJECT_USAGE[name] for name in SUBJECT_KEY},
        "zone": pl.String(),
        "taken_off": pl.Boolean(),
    }
)
_MAY_FALL: Final = frozenset({"latest", "avg", "min", "percentile"})

DueKey = tuple[SubscriptionId, Period]
"""What a due period is known by."""


class UsageSource(MergedRows, MeasuredEvents, Protocol):
    """What a billing run asks of `usage.reader.UsageReader`."""

    def cut(self) -> Cut:
        """The newest cut."""
        ...

    def period_usage(
        self,
        tenant_id: TenantId,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """One row per meter and subject with events; see `UsageReader.period_usage`."""
        ...


class OverlapError(BusinessLogicError):
    """Two subscriptions would bill the same subject's usage of the same meter."""

    code = "subject_overlap"


class SplitUsageError(BusinessLogicError):
    """The usage of a subject in several stretches of a period, by a meter that does not add up."""

    code = "usage_split"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A subject's time for which one due period of a subscription bills it."""

    due: DuePeriod
    subject: str
    span: Period


@dataclass(frozen=True, slots=True)
class Reading:
    """What a line of a due period reads: a meter, in the way of its price, in the line's span."""

    meter: MeterDefinition
    span: Period
    way: Way = PLAIN


_Row = tuple[str, datetime, str, str, str, bool]
_Reads = dict[tuple[Period, Way], list[_Row]]


def block_usage(
    source: UsageSource,
    tenant_id: TenantId,
    cut: Cut,
    stretches: Sequence[Stretch],
    readings: Mapping[DueKey, Sequence[Reading]],
) -> Used:
    """The usage of the stretches: one read per distinct time, and of groups and events per meter.

    `readings` are those that each due period is billed for; other usage of its subjects is not its.
    Raises `OverlapError` and `SplitUsageError`, naming subject and meter.
    """
    reads = _reads(stretches, readings)
    meters = {str(each.meter.id): each.meter for some in readings.values() for each in some}
    plain, grouped, events = [], [], []
    for (period, way), rows in sorted(reads.items(), key=lambda read: read[0]):
        owners = pl.DataFrame(rows, schema=_OWNER, orient="row").unique(maintain_order=True)
        wanted = [meters[name] for name in owners["meter_id"].unique(maintain_order=True)]
        _refuse_overlap(period, owners)
        if way == PLAIN:
            subjects = owners["subject"].unique().sort().to_list()
            found = source.period_usage(tenant_id, wanted, period, cut, subjects)
            plain.append(owners.join(found, on=["meter_id", "subject"], how="inner"))
            continue
        for meter in wanted:
            mine = owners.filter(pl.col("meter_id") == str(meter.id))
            if way.events:
                events.append(_events(source, meter, period, cut, way, mine))
            else:
                grouped.append(_groups(source, meter, period, cut, way, mine))
    bent = {name: meter for name, meter in meters.items() if not adds_up(meter)}
    return Used(
        _added_up(plain, SUBJECT_USAGE, bent),
        _added_up(grouped, GROUPED_SUBJECT_USAGE, bent),
        pl.concat([pl.DataFrame(schema=GROUPED_EVENTS), *events]),
    )


def _reads(stretches: Sequence[Stretch], readings: Mapping[DueKey, Sequence[Reading]]) -> _Reads:
    """Whose usage is to be read, by time and way; two lines of one meter share what is read."""
    reads: defaultdict[tuple[Period, Way], list[_Row]] = defaultdict(list)
    for stretch in stretches:
        due = stretch.due
        subscription_id = str(due.subscription_id)
        mine = readings.get((due.subscription_id, due.period), ())
        for each in mine:
            row = (subscription_id, each.span.start, str(each.meter.id), stretch.subject)
            for period, taken_off in _times(stretch.span, each, mine):
                reads[period, each.way].append((*row, due.time_zone, taken_off))
    return reads


def _refuse_overlap(period: Period, owners: pl.DataFrame) -> None:
    own = owners.filter(~pl.col("taken_off")).select("subscription_id", "meter_id", "subject")
    twice = own.unique().filter(pl.struct("meter_id", "subject").is_duplicated())
    if twice.height:
        raise OverlapError(
            f"subject {twice['subject'][0]!r}: two subscriptions would bill its meter"
            f" {twice['meter_id'][0]} in {period}"
        )


def _times(
    span: Period, reading: Reading, readings: Sequence[Reading]
) -> Iterator[tuple[Period, bool]]:
    """The times to read of a subject's `span`, and whether they are to be taken off.

    `readings` are all of the due period: what may fall is looked at wherever a part before ends.
    """
    start, end = max(span.start, reading.span.start), min(span.end, reading.span.end)
    if start >= end:
        return
    if start == span.start or reading.way.events or adds_up(reading.meter):
        yield Period(start, end), False
        return
    yield Period(span.start, end), False
    edges = {start}
    if reading.meter.aggregation in _MAY_FALL:
        parts = [each.span for each in readings if each.meter.id == reading.meter.id]
        edges |= {edge for part in parts for edge in (part.start, part.end)}
    for edge in sorted(edges):
        if span.start < edge <= start:
            yield Period(span.start, edge), True


def _groups(
    source: UsageSource,
    meter: MeterDefinition,
    period: Period,
    cut: Cut,
    way: Way,
    owners: pl.DataFrame,
) -> pl.DataFrame:
    subjects = owners["subject"].unique().sort().to_list()
    grouping = Grouping(by_subject=True, dimensions=way.group_by)
    found = grouped_usage(source, meter, period, cut, grouping, subjects)
    told = found.rename({"dimensions": "group"}).with_columns(group_by=pl.lit(way.grouping))
    return owners.join(told, on=["meter_id", "subject"], how="inner")


def _events(
    source: UsageSource,
    meter: MeterDefinition,
    period: Period,
    cut: Cut,
    way: Way,
    owners: pl.DataFrame,
) -> pl.DataFrame:
    subjects = owners["subject"].unique().sort().to_list()
    found = priced_events(
        source, meter, period, cut, subjects, dimensions=way.group_by, amount=way.amount
    )
    if way.with_amounts and not way.amount:
        found = found.with_columns(amount="value")
    told = owners.join(found, on="subject", how="inner", maintain_order="left_right")
    told = told.with_columns(group_by=pl.lit(way.grouping))
    return told.select(GROUPED_EVENTS.names()).match_to_schema(GROUPED_EVENTS)


def _added_up(
    parts: Sequence[pl.DataFrame], schema: pl.Schema, bent: Mapping[str, MeterDefinition]
) -> pl.DataFrame:
    """Exact sums by subject and group, less what is to be taken off; rows of nothing left out."""
    names = [*schema.names(), "taken_off"]
    empty = pl.DataFrame(schema={**schema, "taken_off": pl.Boolean()})
    used = pl.concat([empty, *(part.select(names) for part in parts)])
    key = [name for name in schema if name not in {"quantity", *COUNTS}]
    _refuse_split(used.filter(~pl.col("taken_off")), key, bent)
    numbers, parted = ("quantity", *COUNTS), used["taken_off"].any()
    if parted:
        falls = [name for name, meter in bent.items() if meter.aggregation in _MAY_FALL]
        used = _most(used, key, pl.col("taken_off") & pl.col("meter_id").is_in(falls)).with_columns(
            pl.when("taken_off").then(-pl.col(name)).otherwise(name).alias(name) for name in numbers
        )
    # A subject that left and came back has several stretches in one period.
    summed = sum_quantities(used.sort(key), key, "quantity", COUNTS)
    if parted:
        behind = used.filter("taken_off").select(key).unique()
        later = summed.join(behind, on=key, how="semi").select(*key, fell=pl.col("quantity") < 0)
        fell = pl.col("fell").fill_null(value=False) & pl.col("meter_id").is_in(falls)
        summed = (
            summed.join(later, on=key, how="left", maintain_order="left")
            .with_columns(
                quantity=pl.when(fell).then(pl.lit(0, QUANTITY_DTYPE)).otherwise("quantity")
            )
            .drop("fell")
        )
        summed = summed.filter(pl.any_horizontal(pl.col(name) != 0 for name in numbers))
    return summed.select(schema.names()).match_to_schema(schema)


def _most(used: pl.DataFrame, key: Sequence[str], seen: pl.Expr) -> pl.DataFrame:
    """Of the rows that are `seen` the most of each key, and all events; the others as they are."""
    most = used.filter(seen).group_by(key).agg(pl.exclude(key).max())
    return pl.concat([used.filter(~seen), most.select(used.columns)])


def _refuse_split(
    used: pl.DataFrame, key: Sequence[str], bent: Mapping[str, MeterDefinition]
) -> None:
    """The largest of a week and the largest of another one do not add up to a quantity."""
    split = used.filter(pl.struct(key).is_duplicated() & pl.col("meter_id").is_in(list(bent)))
    if split.height:
        meter = bent[split["meter_id"][0]]
        raise SplitUsageError(
            f"subject {split['subject'][0]!r}: left a subscription and came back within one period,"
            f" and its meter {meter.slug!r} ({meter.aggregation}) does not add up over the two"
            " stretches; let it stay in one subscription, or end the period where it leaves"
        )
