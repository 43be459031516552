"""Writes of a flush, each keyed by log position: repeated until acknowledged, safe to repeat."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from confluent_kafka import KafkaException, Producer

from core.endpoints import Endpoints
from core.errors import DependencyDownError
from db.clickhouse import connect_clickhouse
from streams.generation import Generation, kafka_admin, topic_id_of
from streams.lane import COUNTS, Flush

_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)

_WAIT_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
_PASSING: Final = frozenset({159, 164, 202, 209, 210, 241, 242, 243, 252, 319, 425, 999})
"""ClickHouse's codes of troubles that pass: timeouts, limits, a full disk, a lost replica."""

_EVENT_COLUMNS: Final = (
    "tenant_id", "type", "subject", "hour", "generation", "partition", "offset", "row", "key",
    "content_hash", "id", "source", "time", "received_at", "log_time", "data",
)  # fmt: skip
_CONFLICT_COLUMNS: Final = tuple(name for name in _EVENT_COLUMNS if name != "hour")


class Stopped(Exception):  # noqa: N818 - not an error: the lane was told to stop
    """The lane was taken away while it waited for a server."""


class Sink:
    """The tables and the dead-letter topic, as one worker writes them. Threads may share it."""

    def __init__(self, endpoints: Endpoints, generation: Generation) -> None:
        self._endpoints, self._generation = endpoints, generation
        self._client = connect_clickhouse(endpoints.clickhouse)
        self._admin = kafka_admin(endpoints)
        self._producer = Producer(
            {
                "bootstrap.servers": endpoints.kafka,
                "enable.idempotence": True,
                "acks": "all",
                "log_level": 0,
            }
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def right_topic(self) -> bool:
        """Whether the topic is still the very one that the generation was bound to."""
        return topic_id_of(self._admin, self._generation.topic) == self._generation.topic_id

    def write(self, partition: int, flush: Flush, stop: threading.Event) -> None:
        """Write a flush, the ledger last. Raises `Stopped` when `stop` is set in between."""
        keys: dict[str, pl.Expr] = {
            "generation": pl.lit(self._generation.number, pl.UInt16),
            "partition": pl.lit(partition, pl.UInt16),
        }
        if flush.dead or len(flush.rejected):
            until_done(lambda: self._dead_letters(partition, flush), stop)
        self._insert("stream_conflicts", flush.conflicts, _CONFLICT_COLUMNS, keys, stop)
        hour = {"hour": pl.col("time").dt.truncate("1h")}
        self._insert("usage_events", flush.events, _EVENT_COLUMNS, keys | hour, stop)
        level = {"level": pl.lit(0, pl.UInt8)}
        if flush.usage is not None:
            columns = (*flush.usage.columns, *keys, *level)
            self._insert("meter_usage", flush.usage, columns, keys | level, stop)
        columns = ("run", "last_offset", "log_time", "catalog_version", *COUNTS, *keys, *level)
        self._insert("stream_ledger", flush.ledger, columns, keys | level, stop)

    def _insert(
        self,
        table: str,
        frame: pl.DataFrame,
        columns: tuple[str, ...],
        more: dict[str, pl.Expr],
        stop: threading.Event,
    ) -> None:
        if not len(frame):
            return
        if "log_time_ms" in frame.columns:
            more = more | {
                "log_time": pl.from_epoch("log_time_ms", "ms").dt.replace_time_zone("UTC")
            }
        block = _arrow(frame.with_columns(**more).select(columns))
        until_done(lambda: self._client.insert_arrow(table, block), stop)

    def _dead_letters(self, partition: int, flush: Flush) -> None:
        failed: list[object] = []

        def report(error: object, _: object) -> None:
            if error is not None:
                failed.append(error)

        topic = self._endpoints.dead_letters_topic()
        for position, body in _dead_bodies(flush):
            where = {"generation": self._generation.number, "partition": partition, **position}
            key = "/".join(str(part) for part in where.values())
            self._producer.produce(topic, json.dumps(where | body), key=key, on_delivery=report)
            self._producer.poll(0)
        if self._producer.flush(10) or failed:
            raise DependencyDownError(f"Kafka does not acknowledge dead letters: {failed[:1]}")


def until_done(action: Callable[[], _T], stop: threading.Event) -> _T:
    """Repeat an action that is safe to repeat while the trouble is one that passes."""
    tries = 0
    while True:
        if stop.is_set():
            raise Stopped
        try:
            return action()
        except (OperationalError, DependencyDownError, KafkaException, OSError) as error:
            trouble: Exception = error
        except DatabaseError as error:
            if error.code not in _PASSING:
                raise
            trouble = error
        _LOG.warning("waiting for a server, try %d: %s", tries + 1, str(trouble).split("\n")[0])
        stop.wait(_WAIT_SECONDS[min(tries, len(_WAIT_SECONDS) - 1)])
        tries += 1


def _dead_bodies(flush: Flush) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Position and body of every rejected record and event."""
    letters: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (
            {"offset": dead.offset, "row": None},
            {
                "reason": dead.reason,
                "log_time_ms": dead.log_time_ms,
                "value_base64": base64.b64encode(dead.value).decode(),
            },
        )
        for dead in flush.dead
    ]
    texts = ("reason", "log_time_ms", "tenant_id", "id", "source", "type", "subject")
    for row in flush.rejected.select("offset", "row", *texts, "time", "data").to_dicts():
        body = {name: row[name] for name in texts}
        body |= {"time": row["time"].isoformat(), "data": row["data"].decode(errors="replace")}
        letters.append(({"offset": row["offset"], "row": row["row"]}, body))
    return letters


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """Arrow columns as ClickHouse's reader takes them: plain strings, fixed-size keys."""
    table = frame.to_arrow()
    for at, name in enumerate(table.column_names):
        column = table.column(at)
        if name == "key":
            table = table.set_column(at, name, column.cast(pa.binary(16)))
        elif pa.types.is_string_view(column.type) or pa.types.is_large_string(column.type):
            table = table.set_column(at, name, column.cast(pa.string()))
        elif pa.types.is_binary_view(column.type) or pa.types.is_large_binary(column.type):
            table = table.set_column(at, name, column.cast(pa.binary()))
    return table
