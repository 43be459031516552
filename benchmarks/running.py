"""The two runs: the stream stage and its baseline, each produced, timed and checked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import sql
from benchmarks import faust_baseline
from benchmarks.checking import check_baseline, check_stage
from benchmarks.events import Recount, Traffic, generate
from benchmarks.installation import Installation, load_sql
from benchmarks.measuring import Measurement, measure, worker
from benchmarks.producing import produce_envelopes, produce_json
from db.clickhouse import connect_clickhouse

_START_SECONDS: Final = 180
_STAGE_RATE_MIN: Final = 10_000
_BASELINE_RATE_MIN: Final = 1_000
"""Events/s below which a run is given up."""

Step = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Opens a progress bar, by its title and total; gives what is told how far the step is."""


@dataclass(frozen=True, slots=True)
class Run:
    """One side of the comparison; `differences` between its results and the recount."""

    stage: str
    measurement: Measurement
    recount: Recount
    differences: list[str]


def run_stage(where: Installation, traffic: Traffic, step: Step) -> Run:
    """The stream stage: envelopes, `tollbook serve streams`, the ledger as progress."""
    recount = Recount()
    with step("producing envelopes", traffic.events) as tell:
        events = generate(traffic, recount)
        produce_envelopes(where.endpoints, traffic, events, lambda _: tell(recount.events))
    client = connect_clickhouse(where.endpoints.clickhouse)
    totals = sql.load("clickhouse/queries/verify_totals")

    def proved() -> int:
        return sum(int(row["events"]) for row in client.query(totals).named_results())

    arguments = ["cli.main", "serve", "streams", "--worker-id", "bench"]
    arguments += ["--state-dir", str(where.folder / "worker")]
    with (
        step("stream stage", traffic.events) as tell,
        worker(arguments, where.endpoints.as_environment(), where.folder / "w.log") as running,
    ):
        limit = _START_SECONDS + traffic.events / _STAGE_RATE_MIN
        took = measure(running, proved, traffic.events, traffic.events, where.pids, limit, tell)
    client.close()
    with step("checking its results", 0):
        return Run("stream stage", took, recount, check_stage(where, traffic, recount))


def run_baseline(where: Installation, traffic: Traffic, step: Step) -> Run:
    """The baseline on the same servers: JSON records, its own tables, its stored events."""
    topic = where.endpoints.topic_prefix + faust_baseline.TOPIC
    _create_topic(where, topic, traffic.partitions)
    recount = Recount()
    with step("producing JSON records", traffic.events) as tell:
        events = generate(traffic, recount)
        produce_json(where.endpoints, topic, events, lambda _: tell(recount.events))
    client = connect_clickhouse(where.endpoints.clickhouse)
    client.command(load_sql("create_baseline_events"))
    client.command(load_sql("create_baseline_usage"))
    count = load_sql("select_baseline_count")

    def stored() -> int:
        return int(client.query(count).result_rows[0][0])

    environ = where.endpoints.as_environment()
    with (
        step("plain Faust", traffic.events) as tell,
        worker(["benchmarks.faust_baseline"], environ, where.folder / "b.log") as running,
    ):
        limit = _START_SECONDS + traffic.events / _BASELINE_RATE_MIN
        took = measure(running, stored, recount.accepted, traffic.events, where.pids, limit, tell)
    client.close()
    with step("checking its results", 0):
        return Run("plain Faust", took, recount, check_baseline(where.endpoints, recount))


def _create_topic(where: Installation, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": where.endpoints.kafka, "log_level": 0})
    for created in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        created.result(_START_SECONDS)
