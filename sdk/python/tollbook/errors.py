"""What can go wrong.

TollbookError
├── InvalidEventError         the event cannot be sent as it is: fix the named field
├── ClientClosedError         the client was closed: record before that, or open another
├── QueueFullError            memory mode: the queue is full; this event is not recorded
├── SpoolError                spool mode: the folder cannot be used; this event is not recorded
│   └── SpoolFullError        disk, quota or `spool_bytes` full; what was recorded before is safe
└── DeliveryError             events were not acknowledged; `events` holds those of the batch
    ├── ConnectionFailedError every try failed on the way, or the server was busy or down
    ├── AuthenticationError   the API key is not known, was revoked, or may not send (401, 403)
    ├── RequestRejectedError  the server refused the request as a whole
    └── FlushTimeoutError     the time given to flush or close was over
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tollbook.events import Event


class TollbookError(Exception):
    """Base of every error of this library."""


class InvalidEventError(TollbookError, ValueError):
    """An event that cannot be sent as it is."""


class ClientClosedError(TollbookError):
    """Nothing is recorded any more after `close`."""


class QueueFullError(TollbookError):
    """The queue in memory had no room for the event, which is not recorded."""


class SpoolError(TollbookError):
    """The spool folder could not be used; the event, if there was one, is not recorded."""


class SpoolFullError(SpoolError):
    """No room to write the event, which is not recorded; all events before it are safe."""


class DeliveryError(TollbookError):
    """Events that the server did not acknowledge.

    Attributes:
        status: The HTTP status of the last answer; None when there was none.
    """

    def __init__(
        self, message: str, wires: Sequence[bytes] = (), status: int | None = None
    ) -> None:
        super().__init__(message)
        self._wires = wires
        self.status = status

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of the batch concerned, with their ids; none where time ran out."""
        from tollbook.events import Event  # noqa: PLC0415 - that module raises errors of this one

        return tuple(map(Event.of_wire, self._wires))


class ConnectionFailedError(DeliveryError):
    """No try reached a server that could take the events. They stay; the client goes on trying."""


class AuthenticationError(DeliveryError):
    """The server does not accept the API key. The events stay; the client goes on trying."""


class RequestRejectedError(DeliveryError):
    """The server will never take this request.

    In memory mode its events have left the client and are in `events` only. In spool mode they
    stay in the spool, or, where a single event is what the server refuses, in `refused.ndjson`.
    """


class FlushTimeoutError(DeliveryError):
    """Not everything was acknowledged in the time given. The events stay."""
