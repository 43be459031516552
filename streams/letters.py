"""Reads the topic of dead letters: the newest state of each position, in bounded memory.

The same letter may be there many times: workers write it again after a crash or a rebuild. A note
that a letter was replayed is a letter, too.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from core.clock import epoch_micros, monotonic_seconds
from core.endpoints import Endpoints
from core.errors import DependencyDownError, NotFoundError, ValidationError
from streams.own_consumer import own_consumer

REPLAYED: Final = "replayed_at"

_WAIT_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.5
_NAME: Final = "tollbook-dlq"
_BATCH: Final = 500
_MICROS_PER_MILLI: Final = 1000
_PARTS: Final = (3, 4)


@dataclass(frozen=True, slots=True)
class Letter:
    """What is known about one rejected position.

    `position` is generation/partition/offset/row, without the row for a whole record; the first
    part is a topic where the record was never in the log. `body` is the letter as it was written.
    """

    position: str
    reason: str
    log_time_ms: int
    tenant_id: str | None
    event_id: str | None
    replayed_at: str | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are wanted; what is None fits all. Times are log times, `until` excluded."""

    reason: str | None = None
    tenant_id: str | None = None
    event_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is wanted; the reason is a part of its text, in any case."""
        return (
            (self.reason is None or self.reason.lower() in letter.reason.lower())
            and (self.tenant_id is None or self.tenant_id == letter.tenant_id)
            and (self.event_id is None or self.event_id == letter.event_id)
            and (self.since is None or letter.log_time_ms >= _millis(self.since))
            and (self.until is None or letter.log_time_ms < _millis(self.until))
        )


def read_letters(endpoints: Endpoints, wanted: Filter, limit: int) -> list[Letter]:
    """The `limit` newest letters that are wanted, oldest first; one for each position.

    Raises `DependencyDownError` when Kafka does not answer, `NotFoundError` without the topic.
    """
    # A position leaves the window only when `limit` newer ones are in it.
    found: OrderedDict[str, Letter] = OrderedDict()
    for position, body in _bodies(endpoints, wanted.since):
        letter = _merged(found.get(position), position, body)
        if letter is None or not wanted.fits(letter):
            continue
        if REPLAYED not in body:
            found.pop(position, None)
        found[position] = letter
        if len(found) > limit:
            found.popitem(last=False)
    return list(found.values())


def read_letter(endpoints: Endpoints, position: str) -> Letter:
    """The letter of one position. Raises `NotFoundError` when there is none."""
    found: Letter | None = None
    for at, body in _bodies(endpoints, None):
        if at == position:
            found = _merged(found, position, body) or found
    if found is None:
        raise NotFoundError(
            f"{position}: no dead letter has this position; `tollbook dlq list` shows those there"
            " are, as generation/partition/offset/row"
        )
    return found


def parse_position(text: str) -> tuple[str, int, int, int | None]:
    """Generation or topic, partition, offset, row of a position. Raises `ValidationError`."""
    head, *numbers = text.split("/")
    if len(numbers) + 1 in _PARTS and head and all(n.isdecimal() for n in numbers):
        partition, offset, *row = map(int, numbers)
        return head, partition, offset, row[0] if row else None
    raise ValidationError(
        f"position: expected generation/partition/offset/row such as 1/0/4711/3, or without the"
        f" row for a whole record, got {text!r}",
        field="position",
    )


def position_of(body: dict[str, Any]) -> str:
    """The position that a letter names; its first four members are that."""
    first = body["generation"] if "generation" in body else body["topic"]
    row = [] if body["row"] is None else [body["row"]]
    return "/".join(map(str, (first, body["partition"], body["offset"], *row)))


def _merged(before: Letter | None, position: str, body: dict[str, Any]) -> Letter | None:
    """The state of a position after one more letter; None for a note about nothing known."""
    replayed_at = before.replayed_at if before else None
    if REPLAYED in body:
        if before is None:
            return None
        replayed_at, body = body[REPLAYED], before.body
    return Letter(
        position,
        str(body["reason"]),
        int(body["log_time_ms"]),
        body.get("tenant_id"),
        body.get("id"),
        replayed_at,
        body,
    )


def _bodies(endpoints: Endpoints, since: datetime | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Position and body of every letter from the first that may be as young as `since`."""
    with own_consumer(endpoints, _NAME) as consumer:
        topic = TopicPartition(endpoints.dead_letters_topic(), 0)
        first, end = _asked(lambda: consumer.get_watermark_offsets(topic, timeout=_WAIT_SECONDS))
        if since is not None:  # a letter is written after its position was
            topic.offset = _millis(since)
            (at,) = _asked(lambda: consumer.offsets_for_times([topic], timeout=_WAIT_SECONDS))
            first = end if at.offset < 0 else max(first, at.offset)
        topic.offset = first
        consumer.assign([topic])
        deadline = monotonic_seconds() + _WAIT_SECONDS
        while first < end:
            for message in consumer.consume(_BATCH, _POLL_SECONDS):
                if message.error() is not None:
                    raise DependencyDownError(f"Kafka does not give letters: {message.error()}")
                deadline = monotonic_seconds() + _WAIT_SECONDS
                offset = message.offset()
                assert offset is not None
                first = offset + 1
                body = json.loads(message.value() or b"{}")
                if body:
                    yield position_of(body), body
            if monotonic_seconds() > deadline:
                raise DependencyDownError("Kafka does not give the letters in time")


def _asked(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except KafkaException as error:
        if error.args[0].code() in {
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - its public name
            KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - as above
        }:
            raise NotFoundError(
                "there is no topic of dead letters: run `tollbook migrate`, or check"
                " TOLLBOOK_TOPIC_PREFIX"
            ) from error
        raise DependencyDownError(f"Kafka does not answer: {error.args[0]}") from error


def _millis(at: datetime) -> int:
    return epoch_micros(at) // _MICROS_PER_MILLI
