"""A sender's request: decoded, checked, published, answered. Knows no web framework."""

from __future__ import annotations

from typing import Final

import msgspec

from core.clock import Clock, epoch_micros
from core.errors import ValidationError
from core.ids import TenantId
from ingest.contract import Admitted, admit
from ingest.formats import decoder_for
from ingest.publisher import Publisher
from ingest.wire import Rejection

OLD_CODE: Final = "older_than_dedupe_horizon"


class Notice(msgspec.Struct, frozen=True):
    """Something that the sender should know about accepted events."""

    code: str
    count: int
    message: str


class Answer(msgspec.Struct, frozen=True):
    """The body of a `202`: how many events are in the log, and a verdict on each that is not."""

    accepted: int
    rejected: list[Rejection]
    notices: list[Notice] = []


class Intake:
    """Takes the events of one request at a time; any number may be under way."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock

    async def take(self, tenant_id: TenantId, content_type: str, body: bytes) -> Answer:
        """Put the good events of a body into the log.

        Raises `ValidationError` when the body is no events at all or none of them is good,
        `UnsupportedMediaTypeError`, `TooLargeError`, and `DependencyDownError` when Kafka did not
        acknowledge them: then all are to be sent again with the same ids.
        """
        received_micros = epoch_micros(self._clock.now())
        decode = decoder_for(content_type)
        # A body without the two characters \u cannot hold an escaped NUL.
        admitted = admit(decode(body), str(tenant_id), received_micros, escaped=b"\\u" in body)
        if admitted.rejections and not len(admitted.columns):
            raise _all_rejected(admitted)
        await self._publisher.publish(admitted.columns, len(body))
        return Answer(len(admitted.columns), admitted.rejections, _notices(admitted))


def _all_rejected(admitted: Admitted) -> ValidationError:
    first = admitted.rejections[0]
    return ValidationError(
        f"none of the {len(admitted.rejections)} events was accepted; the first: {first.message}",
        accepted=0,
        rejected=msgspec.to_builtins(admitted.rejections),
    )


def _notices(admitted: Admitted) -> list[Notice]:
    if not admitted.old_count:
        return []
    return [
        Notice(
            OLD_CODE,
            admitted.old_count,
            "accepted; their time lies so far back that a copy sent again after the dedupe horizon"
            " of 35 days would be counted again",
        )
    ]
