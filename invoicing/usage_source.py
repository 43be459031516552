"""Usage of a block of due periods: read per period, then attributed to subscriptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import polars as pl

from catalog.meters import MeterDefinition
from core.errors import BusinessLogicError
from core.ids import SubscriptionId, TenantId
from core.period import Period
from invoicing.assemble import SUBJECT_USAGE
from subscriptions.periods import DuePeriod
from usage.cut import Cut

_OWNER: Final = pl.Schema(
    {"subscription_id": pl.String(), "meter_id": pl.String(), "subject": pl.String()}
)


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


def block_usage(
    source: UsageSource,
    tenant_id: TenantId,
    cut: Cut,
    due: Sequence[DuePeriod],
    meters: Mapping[SubscriptionId, Sequence[MeterDefinition]],
) -> pl.DataFrame:
    """The usage of the block as `SUBJECT_USAGE`: one read per distinct period.

    `meters` are those that each subscription is billed for. Usage of a subject counts for a
    subscription only on these. Raises `OverlapError` naming subject and meter.
    """
    by_period: defaultdict[Period, list[DuePeriod]] = defaultdict(list)
    for each in due:
        by_period[each.period].append(each)
    parts = [
        _period_usage(source, tenant_id, cut, period, group, meters)
        for period, group in sorted(by_period.items())
    ]
    return pl.concat([pl.DataFrame(schema=SUBJECT_USAGE), *parts])


def _period_usage(
    source: UsageSource,
    tenant_id: TenantId,
    cut: Cut,
    period: Period,
    group: Sequence[DuePeriod],
    meters: Mapping[SubscriptionId, Sequence[MeterDefinition]],
) -> pl.DataFrame:
    owners = pl.DataFrame(
        [
            (str(each.subscription_id), str(meter.id), subject)
            for each in group
            for meter in meters[each.subscription_id]
            for subject in each.subjects
        ],
        schema=_OWNER,
        orient="row",
    )
    twice = owners.filter(pl.struct("meter_id", "subject").is_duplicated())
    if twice.height:
        raise OverlapError(
            f"subject {twice['subject'][0]!r}: two subscriptions would bill its meter"
            f" {twice['meter_id'][0]} in {period}"
        )
    wanted = {meter.id: meter for each in group for meter in meters[each.subscription_id]}
    subjects = owners["subject"].unique().sort().to_list()
    used = source.period_usage(tenant_id, list(wanted.values()), period, cut, subjects)
    return (
        owners.join(used, on=["meter_id", "subject"], how="inner", validate="1:1")
        .with_columns(
            pl.lit(period.start).cast(SUBJECT_USAGE["period_start"]).alias("period_start")
        )
        .select(SUBJECT_USAGE.names())
        .match_to_schema(SUBJECT_USAGE)
        .sort("subscription_id", "meter_id", "subject")
    )
