"""The runs: the stream stage and its baselines, each produced, timed and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import sql
from benchmarks.checking import check_baseline, check_stage
from benchmarks.events import Recount, Traffic, generate
from benchmarks.installation import PARTITIONS, Installation, Servers, load_sql
from benchmarks.measuring import Measurement, measure, worker
from benchmarks.plain_metering import TOPIC
from benchmarks.producing import produce_envelopes, produce_json
from benchmarks.progress import Step
from db.clickhouse import connect_clickhouse

_START_SECONDS: Final = 180
_ENVELOPES_RATE_MIN: Final = 10_000
_JSON_RATE_MIN: Final = 1_000
"""Events/s below which a run is given up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run to make: `events_per_record` 1 means JSON records, more means envelopes."""

    name: str
    events: int
    events_per_record: int
    arguments: Sequence[str]
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One run; `differences` between its results and the recount."""

    plan: Plan
    traffic: Traffic
    measurement: Measurement
    recount: Recount
    differences: list[str]

    @property
    def name(self) -> str:
        """What ran."""
        return self.plan.name


STAGE: Final = "stream stage"


def stage_plan(events: int, events_per_record: int) -> Plan:
    """`tollbook serve streams`."""
    arguments = ["cli.main", "serve", "streams", "--worker-id", "bench", "--state-dir", "state"]
    return Plan(f"{STAGE}, {events_per_record:,}", events, events_per_record, arguments)


def bare_plan(events: int, events_per_record: int) -> Plan:
    """The same kernel without Faust."""
    name = f"bare kernel, {events_per_record:,}"
    return Plan(name, events, events_per_record, ["benchmarks.bare_kernel"])


def faust_plan(events: int) -> Plan:
    """Plain Faust."""
    return Plan("plain Faust", events, 1, ["benchmarks.faust_baseline"], seed=2)


def loop_plan(events: int) -> Plan:
    """A plain consumer loop."""
    return Plan("plain loop", events, 1, ["benchmarks.loop_baseline"], seed=3)


def run(servers: Servers, plan: Plan, step: Step) -> Run:
    """Make the events, let the plan's process work on them, and check what it stored."""
    with servers.installation(plan.events_per_record) as where:
        traffic = Traffic(plan.events, str(where.tenant_id), PARTITIONS, plan.seed)
        recount = Recount()
        if plan.events_per_record > 1:
            took = _envelopes(where, plan, traffic, recount, step)
        else:
            took = _json(where, plan, traffic, recount, step)
        with step(f"{plan.name}: checking", 0):
            check = check_stage if plan.events_per_record > 1 else check_baseline
            return Run(plan, traffic, took, recount, check(where, traffic, recount))


def _envelopes(
    where: Installation, plan: Plan, traffic: Traffic, recount: Recount, step: Step
) -> Measurement:
    """Envelopes in the log, the ledger as progress."""
    with step(f"{plan.name}: producing", traffic.events) as tell:
        events, size = generate(traffic, recount), plan.events_per_record
        produce_envelopes(where.endpoints, traffic, events, lambda _: tell(recount.events), size)
    client = connect_clickhouse(where.endpoints.clickhouse)
    totals = sql.load("clickhouse/queries/verify_totals")

    def proved() -> int:
        return sum(int(row["events"]) for row in client.query(totals).named_results())

    took = _measured(where, plan, proved, traffic.events, _ENVELOPES_RATE_MIN, step)
    client.close()
    return took


def _json(
    where: Installation, plan: Plan, traffic: Traffic, recount: Recount, step: Step
) -> Measurement:
    """JSON records in a topic of their own, the stored events as progress."""
    topic = where.endpoints.topic_prefix + TOPIC
    create_topic(where, topic, traffic.partitions)
    with step(f"{plan.name}: producing", traffic.events) as tell:
        events = generate(traffic, recount)
        produce_json(where.endpoints, topic, events, lambda _: tell(recount.events))
    client = connect_clickhouse(where.endpoints.clickhouse)
    client.command(load_sql("create_baseline_events"))
    client.command(load_sql("create_baseline_usage"))
    count = load_sql("select_baseline_count")

    def stored() -> int:
        return int(client.query(count).result_rows[0][0])

    took = _measured(where, plan, stored, recount.accepted, _JSON_RATE_MIN, step)
    client.close()
    return took


def _measured(
    where: Installation,
    plan: Plan,
    done: Callable[[], int],
    target: int,
    rate_min: int,
    step: Step,
) -> Measurement:
    limit = _START_SECONDS + plan.events / rate_min
    environ, log = where.endpoints.as_environment(), where.folder / "worker.log"
    with (
        step(plan.name, plan.events) as tell,
        worker(plan.arguments, environ, log) as running,
    ):
        return measure(running, done, target, plan.events, where.pids, limit, tell)


def create_topic(where: Installation, topic: str, partitions: int) -> None:
    """A topic for a baseline."""
    admin = AdminClient({"bootstrap.servers": where.endpoints.kafka, "log_level": 0})
    for created in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        created.result(_START_SECONDS)
