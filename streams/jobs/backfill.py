"""Back-fill: complete chunks get the meters that came after them, from their stored events."""

from __future__ import annotations

import logging

import polars as pl

from catalog.metering.aggregate import keep, measure, total
from streams.jobs.missing import Missing
from streams.jobs.plan import Job
from streams.jobs.store import JobStore, Part

_LOG = logging.getLogger(__name__)


def back_fill(store: JobStore, part: Part, job: Job, missing: Missing) -> list[int]:
    """Do a job of level 0, or nothing of it: the runs that stand in its way.

    Those are the chunks of which ClickHouse shows other events than the ledger proves: a lagging
    replica, or damage that `tollbook verify` names.
    """
    if wrong := store.incomplete(part, job):
        _LOG.warning(
            "generation %d, partition %d: chunks %s have other events than the ledger proves",
            part.generation, part.partition, wrong[:5],
        )  # fmt: skip
        return wrong
    if missing.meter_ids:
        compiled = missing.compiled
        blocks = store.events(
            part, job, missing.tenants, missing.types,
            lambda block: keep(measure(block, compiled), "run"),
        )  # fmt: skip
        if blocks:
            rows = total(pl.concat(blocks), compiled, ("run",))
            last = (pl.col("run") + 1) * part.chunk_records - 1
            store.write(part, job, "meter_usage", rows.with_columns(last_offset=last))
    store.prove(part, job)
    return []
