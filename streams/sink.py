"""Writes of a flush, each keyed by log position: repeated until acknowledged, safe to repeat."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from confluent_kafka import KafkaError, KafkaException

import sql
from core.endpoints import Endpoints
from core.errors import DependencyDownError
from core.faults import reach
from db.clickhouse import connect_clickhouse
from streams.dead_letters import DeadLetters
from streams.generation import Generation, kafka_admin, topic_id_of
from streams.lane import COUNTS, Flush
from streams.metrics import RETRIES, WAITING, timed
from streams.voids import TARGET_SCHEMA
from streams.watch import inserting

_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)

_WAIT_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
_PASSING: Final = frozenset({159, 164, 202, 209, 210, 241, 242, 243, 252, 319, 425, 999})
"""ClickHouse's codes of troubles that pass: timeouts, limits, a full disk, a lost replica."""

_UNREACHABLE: Final = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001 - these are its public names
        KafkaError._TIMED_OUT,  # noqa: SLF001 - as above
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001 - as above
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - as above
    }
)

INSERT_SETTINGS: Final = {"optimize_on_insert": 0, "max_threads": 1}
"""A block holds no row twice, so merging it finds nothing; lanes are parallel already."""

_EVENT_COLUMNS: Final = (
    "tenant_id", "type", "subject", "hour", "generation", "partition", "offset", "row", "sign",
    "key", "content_hash", "id", "source", "time", "received_at", "log_time", "data",
)  # fmt: skip
_CONFLICT_COLUMNS: Final = tuple(name for name in _EVENT_COLUMNS if name not in {"hour", "sign"})
_FEW_VALUES: Final = frozenset({"tenant_id", "type", "source"})
"""Columns of few different values: ClickHouse takes a dictionary as it comes, and hashes rows."""

_KEYS_IN_QUERY: Final = 2048
"""As text half of the 128 KiB that a server takes for one parameter of a query."""


_POINTS: Final = {
    "stream_conflicts": "conflicts",
    "usage_events": "events",
    "meter_usage": "usage",
    "stream_ends": "end",
    "stream_ledger": "ledger",
}
"""Table -> what its crash points are named after."""


class Stopped(Exception):  # noqa: N818 - not an error: the lane was told to stop
    """The lane was taken away while it waited for a server."""


class Sink:
    """The tables and the dead-letter topic, as one worker writes them. Threads may share it."""

    def __init__(self, endpoints: Endpoints, generation: Generation) -> None:
        self._endpoints, self._generation = endpoints, generation
        self._client = connect_clickhouse(endpoints.clickhouse)
        self._admin = kafka_admin(endpoints)
        self._letters = DeadLetters(endpoints, generation.number)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def right_topic(self) -> bool:
        """Whether the topic is still the very one that the generation was bound to."""
        return topic_id_of(self._admin, self._generation.topic) == self._generation.topic_id

    def find_targets(self, partition: int, keys: pl.Series, before: int) -> pl.DataFrame:
        """Stored rows, `TARGET_COLUMNS`, with these keys at earlier positions than `before`."""
        where = {"generation": self._generation.number, "partition": partition, "before": before}
        query = sql.load("clickhouse/queries/void_targets")
        parts = [pl.DataFrame(schema=TARGET_SCHEMA)]
        for some in keys.bin.encode("hex").to_frame().iter_slices(_KEYS_IN_QUERY):
            asked: dict[str, object] = {**where, "keys": some.to_series().to_list()}
            found = pl.DataFrame(pl.from_arrow(self._client.query_arrow(query, parameters=asked)))
            parts.append(found.select(pl.col(n).cast(t) for n, t in TARGET_SCHEMA.items()))
        return pl.concat(parts)

    def write(self, partition: int, flush: Flush, stop: threading.Event) -> None:
        """Write a flush, the ledger last. Raises `Stopped` when `stop` is set in between."""
        keys: dict[str, pl.Expr] = {
            "generation": pl.lit(self._generation.number, pl.UInt16),
            "partition": pl.lit(partition, pl.UInt16),
        }
        if flush.dead or len(flush.rejected):
            reach("before_dead_letters")
            with timed("dead_letters"):
                until_done(lambda: self._letters.write(partition, flush), stop)
            reach("after_dead_letters")
        self._insert("stream_conflicts", flush.conflicts, _CONFLICT_COLUMNS, keys, stop)
        hour = {"hour": pl.col("time").dt.truncate("1h")}
        self._insert("usage_events", flush.events, _EVENT_COLUMNS, keys | hour, stop)
        level = {"level": pl.lit(0, pl.UInt8)}
        if flush.usage is not None:
            columns = (*flush.usage.columns, *keys, *level)
            self._insert("meter_usage", flush.usage, columns, keys | level, stop)
        if flush.end_offset is not None:
            end = pl.DataFrame({"end_offset": [flush.end_offset]}, {"end_offset": pl.UInt64})
            self._insert("stream_ends", end, ("end_offset", *keys), keys, stop)
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
        block = arrow_block(frame.with_columns(**more).select(columns))
        reach(f"before_{_POINTS[table]}")
        with inserting(table) as told:
            told["settings"] = INSERT_SETTINGS | told.get("settings", {})
            until_done(lambda: self._client.insert_arrow(table, block, **told), stop)
        reach(f"after_{_POINTS[table]}")


def until_done(action: Callable[[], _T], stop: threading.Event) -> _T:
    """Repeat an action that is safe to repeat while the trouble is one that passes."""
    tries = 0
    try:
        while True:
            if stop.is_set():
                raise Stopped
            try:
                return action()
            except (OperationalError, DependencyDownError, OSError) as error:
                trouble: Exception = error
            except KafkaException as error:
                if not (error.args[0].retriable() or error.args[0].code() in _UNREACHABLE):
                    raise
                trouble = error
            except DatabaseError as error:
                if error.code not in _PASSING:
                    raise
                trouble = error
            if not tries:
                WAITING.inc()
            RETRIES.inc()
            reason = str(trouble).split("\n")[0]
            _LOG.warning("waiting for a server, try %d: %s", tries + 1, reason)
            stop.wait(_WAIT_SECONDS[min(tries, len(_WAIT_SECONDS) - 1)])
            tries += 1
    finally:
        if tries:
            WAITING.dec()


def arrow_block(frame: pl.DataFrame) -> pa.Table:
    """Arrow columns as ClickHouse's reader takes them: plain strings, fixed-size keys."""
    table = frame.to_arrow()
    for at, name in enumerate(table.column_names):
        column = table.column(at)
        if name == "key":
            table = table.set_column(at, name, column.cast(pa.binary(16)))
        elif name in _FEW_VALUES:
            words = column.cast(pa.string()).combine_chunks()
            table = table.set_column(at, name, words.dictionary_encode())
        elif pa.types.is_string_view(column.type) or pa.types.is_large_string(column.type):
            table = table.set_column(at, name, column.cast(pa.string()))
        elif pa.types.is_binary_view(column.type) or pa.types.is_large_binary(column.type):
            table = table.set_column(at, name, column.cast(pa.binary()))
        elif pa.types.is_large_list(column.type):
            table = table.set_column(at, name, column.cast(pa.list_(pa.string())))
    return table
