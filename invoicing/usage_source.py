"""Usage of a block of due periods: read per span of time, then attributed to subscriptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import polars as pl

from catalog.meters import MeterDefinition
from core.errors import BusinessLogicError
from core.ids import SubscriptionId, TenantId
from core.period import Period
from invoicing.assemble import SUBJECT_USAGE
from rating.frames import PERIOD_KEY
from rating.sums import sum_quantities
from subscriptions.periods import DuePeriod
from usage.cut import Cut

_OWNER: Final = pl.Schema(
    {name: SUBJECT_USAGE[name] for name in (*PERIOD_KEY, "meter_id", "subject")}
)


_ADDITIVE: Final = frozenset({"count", "sum", "weighted_sum"})


class UsageSource(Protocol):
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


def block_usage(
    source: UsageSource,
    tenant_id: TenantId,
    cut: Cut,
    stretches: Sequence[Stretch],
    meters: Mapping[SubscriptionId, Sequence[MeterDefinition]],
) -> pl.DataFrame:
    """The usage of the stretches as `SUBJECT_USAGE`: one read per distinct span of time.

    `meters` are those that each subscription is billed for; other usage of its subjects is not
    its. Raises `OverlapError` and `SplitUsageError`, naming subject and meter.
    """
    by_span: defaultdict[Period, list[Stretch]] = defaultdict(list)
    for stretch in stretches:
        by_span[stretch.span].append(stretch)
    parts = [
        _span_usage(source, tenant_id, cut, span, group, meters)
        for span, group in sorted(by_span.items())
    ]
    used = pl.concat([pl.DataFrame(schema=SUBJECT_USAGE), *parts])
    # A subject that left and came back has several stretches in one period.
    key = (*PERIOD_KEY, "meter_id", "subject")
    _refuse_split(used, key, meters)
    return sum_quantities(used.sort(key), key, "quantity", ("event_count", "unmeterable_count"))


def _refuse_split(
    used: pl.DataFrame,
    key: Sequence[str],
    meters: Mapping[SubscriptionId, Sequence[MeterDefinition]],
) -> None:
    """The largest of a week and the largest of another one do not add up to a quantity."""
    bent = {str(meter.id): meter for some in meters.values() for meter in some if not _adds(meter)}
    split = used.filter(pl.struct(key).is_duplicated() & pl.col("meter_id").is_in(list(bent)))
    if split.height:
        meter = bent[split["meter_id"][0]]
        raise SplitUsageError(
            f"subject {split['subject'][0]!r}: left a subscription and came back within one period,"
            f" and its meter {meter.slug!r} ({meter.aggregation}) does not add up over the two"
            " stretches; let it stay in one subscription, or end the period where it leaves"
        )


def _adds(meter: MeterDefinition) -> bool:
    """Whether quantities of disjoint times add up to that of both."""
    rounds = meter.conversion is not None and meter.conversion.rounding is not None
    return meter.aggregation in _ADDITIVE and not rounds


def _span_usage(
    source: UsageSource,
    tenant_id: TenantId,
    cut: Cut,
    span: Period,
    group: Sequence[Stretch],
    meters: Mapping[SubscriptionId, Sequence[MeterDefinition]],
) -> pl.DataFrame:
    owners = pl.DataFrame(
        [
            (
                str(stretch.due.subscription_id),
                stretch.due.period.start,
                str(meter.id),
                stretch.subject,
            )
            for stretch in group
            for meter in meters[stretch.due.subscription_id]
        ],
        schema=_OWNER,
        orient="row",
    )
    twice = owners.filter(pl.struct("meter_id", "subject").is_duplicated())
    if twice.height:
        raise OverlapError(
            f"subject {twice['subject'][0]!r}: two subscriptions would bill its meter"
            f" {twice['meter_id'][0]} in {span}"
        )
    wanted = {meter.id: meter for stretch in group for meter in meters[stretch.due.subscription_id]}
    subjects = owners["subject"].unique().sort().to_list()
    used = source.period_usage(tenant_id, list(wanted.values()), span, cut, subjects)
    return (
        owners.join(used, on=["meter_id", "subject"], how="inner", validate="1:1")
        .select(SUBJECT_USAGE.names())
        .match_to_schema(SUBJECT_USAGE)
    )
