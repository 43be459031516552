"""What can go wrong.

TollbookError
├── InvalidEventError         the event cannot be sent as it is: fix the named field
└── DeliveryError             the events were not acknowledged; `events` holds them, send them again
    ├── ConnectionFailedError every try failed on the way, or the server was busy or down
    ├── AuthenticationError   the API key is not known, was revoked, or may not send (401, 403)
    └── RequestRejectedError  the server refused the request as a whole: repeating it will not help
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


class DeliveryError(TollbookError):
    """Events that the server did not acknowledge.

    Attributes:
        events: The events, with their ids. They stay in the client, and the next flush sends them.
        status: The HTTP status of the last answer; None when there was none.
    """

    def __init__(self, message: str, events: Sequence[Event], status: int | None = None) -> None:
        super().__init__(message)
        self.events = tuple(events)
        self.status = status


class ConnectionFailedError(DeliveryError):
    """No try reached a server that could take the events."""


class AuthenticationError(DeliveryError):
    """The server does not accept the API key."""


class RequestRejectedError(DeliveryError):
    """The server will never take this request. Its events have left the client."""
