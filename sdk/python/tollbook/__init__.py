"""Record usage events for Tollbook: batched, retried with the same ids, exact.

    with tollbook.Client("http://127.0.0.1:8080", api_key="tb_live_…") as client:
        client.record("llm.request", subject="team-7", data={"generated_tokens": 64})

Owns: ids and times at the moment of recording, batches, retries, the verdicts of the server, and
the spool on disk.
Does not own: what becomes of an event after its `202`.
Invariants: an event keeps its id through every retry, so that it counts once; an event is reported
as delivered only after the server's `202`; a number is sent as the exact number it is; recording
never waits for the network; what was recorded into a spool stays there until the server has said
something on it.
"""

from tollbook.async_client import AsyncClient
from tollbook.client import Client
from tollbook.errors import (
    AuthenticationError,
    ClientClosedError,
    ConnectionFailedError,
    DeliveryError,
    FlushTimeoutError,
    InvalidEventError,
    QueueFullError,
    RequestRejectedError,
    SpoolError,
    SpoolFullError,
    TollbookError,
)
from tollbook.events import Event
from tollbook.retries import RetryPolicy
from tollbook.verdicts import FlushResult, Rejection

__all__ = [
    "AsyncClient",
    "AuthenticationError",
    "Client",
    "ClientClosedError",
    "ConnectionFailedError",
    "DeliveryError",
    "Event",
    "FlushResult",
    "FlushTimeoutError",
    "InvalidEventError",
    "QueueFullError",
    "Rejection",
    "RequestRejectedError",
    "RetryPolicy",
    "SpoolError",
    "SpoolFullError",
    "TollbookError",
]
