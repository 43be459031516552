"""F22: what a worker must refuse after a round: a log created again, or one that lost records."""

from __future__ import annotations

import signal
from typing import Any, Final

from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewTopic

from db.clickhouse import connect_clickhouse
from streams.generation import kafka_admin
from tests.faults.lane import Lane
from tests.faults.laws import BrokenLawError

_WAIT_SECONDS: Final = 40.0
_KAFKA_SECONDS: Final = 20.0
_STORED: Final = """
SELECT (SELECT count() FROM usage_events FINAL), (SELECT count() FROM meter_usage FINAL),
    (SELECT sum(events) FROM stream_ledger FINAL)
"""


def recreate_topic(lane: Lane) -> None:
    """The topic is deleted and created again: nothing of it is read, nothing is counted again."""
    lane.tally.faults["F22 topic created again"] += 1
    _stop(lane)
    before = _stored(lane)
    topic, admin = lane.endpoints.usage_events_topic(), kafka_admin(lane.endpoints)
    admin.delete_topics([topic])[topic].result(timeout=_KAFKA_SECONDS)
    new = NewTopic(topic, lane.shape.partitions, 1, config={"retention.ms": str(90 * 86_400_000)})
    admin.create_topics([new])[topic].result(timeout=_KAFKA_SECONDS)
    _refused(lane, "deleted or created again|is not the topic that", before)


def truncate_topic(lane: Lane) -> None:
    """Records are deleted before they were counted: nothing is skipped."""
    lane.tally.faults["F22 topic truncated"] += 1
    _stop(lane)
    lane.feed()
    lane.join()
    before = _stored(lane)
    topic, admin = lane.endpoints.usage_events_topic(), kafka_admin(lane.endpoints)
    ends = [TopicPartition(topic, partition, end) for partition, end in lane.log_ends().items()]
    for done in admin.delete_records(ends).values():
        done.result(timeout=_KAFKA_SECONDS)
    _refused(lane, "records were deleted before they were counted", before)


def _stop(lane: Lane) -> None:
    for worker in (lane.first, lane.second):
        if worker.pid is not None:
            worker.signal(signal.SIGKILL)


def _stored(lane: Lane) -> Any:
    client = connect_clickhouse(lane.endpoints.clickhouse)
    try:
        return client.query(_STORED).result_rows
    finally:
        client.close()


def _refused(lane: Lane, why: str, before: Any) -> None:
    worker = lane.first
    worker.start()
    said = worker.wait_for(why, _WAIT_SECONDS)
    code = worker.wait_ended(_WAIT_SECONDS)
    if not said or code in {None, 0} or _stored(lane) != before:
        raise BrokenLawError(
            f"F22: the worker went on, or does not say why it ended ({code}); before {before}, now"
            f" {_stored(lane)}; {worker.read_log()[-2000:]}"
        )
    lane.tally.notes["refused, with the reason"] += 1
