"""What the two clients share: settings, writing events, and one engine per process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tollbook import forking, settings
from tollbook.engine import Engine
from tollbook.errors import DeliveryError
from tollbook.events import Event, EventWriter
from tollbook.retries import RetryPolicy
from tollbook.settings import Callbacks, Settings
from tollbook.verdicts import Rejection


class Recorder:
    """Records usage events; a background thread delivers them in batches.

    Recording never waits for the network. Without `spool`, events wait in memory: fast, bounded,
    and lost when the process dies before they are sent. With it they are on disk when `record`
    returns, survive the death of the process, and are sent by the next client on the same folder.
    Safe to share between threads. After a fork, parent and child each send what they recorded.

    Args:
        base_url: Where ingest listens, such as `https://ingest.example.com`.
        api_key: `tb_live_…`; it decides whose events these are.
        source: The CloudEvents `source` of events that name none: who records.
        batch_events: A batch leaves at this many events, at most 10,000,
        batch_bytes: at this many bytes, at most 9 MiB,
        batch_seconds: and this long after its first event was seen.
        queue_events: Memory mode: room for so many events,
        queue_bytes: and for so many bytes of them.
        block_seconds: Memory mode: how long `record` waits for room before `QueueFullError`.
        spool: A folder on a local disk, for events of one tenant. Processes may share it.
        spool_bytes: How many bytes may wait in it for each client before `SpoolFullError`.
        spool_fsync: Sync each event to the disk, so that it survives the machine's death, too.
        timeout_seconds: How long one try may take.
        retry: When to try again.
        on_accepted: Called for each batch, with the events that the server counted.
        on_rejected: Called once for each event that the server refuses.
        on_error: Called when tries keep failing, and for each batch that leaves unsent.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        source: str = "tollbook-python",
        batch_events: int = settings.BATCH_EVENTS,
        batch_bytes: int = settings.BATCH_BYTES,
        batch_seconds: float = settings.BATCH_SECONDS,
        queue_events: int = settings.QUEUE_EVENTS,
        queue_bytes: int = settings.QUEUE_BYTES,
        block_seconds: float = 0.0,
        spool: str | os.PathLike[str] | None = None,
        spool_bytes: int = settings.SPOOL_BYTES,
        spool_fsync: bool = False,
        timeout_seconds: float = settings.TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        on_accepted: Callable[[Sequence[Event]], None] | None = None,
        on_rejected: Callable[[Rejection], None] | None = None,
        on_error: Callable[[DeliveryError], None] | None = None,
    ) -> None:
        self._settings = Settings(
            base_url=base_url,
            api_key=api_key,
            source=source,
            batch_events=batch_events,
            batch_bytes=batch_bytes,
            batch_seconds=batch_seconds,
            queue_events=queue_events,
            queue_bytes=queue_bytes,
            block_seconds=block_seconds,
            spool=None if spool is None else Path(spool).absolute(),
            spool_bytes=spool_bytes,
            spool_fsync=spool_fsync,
            timeout_seconds=timeout_seconds,
            retry=retry or RetryPolicy(),
            callbacks=self._callbacks(on_accepted, on_rejected, on_error),
        )
        self._begin()
        self._engine.open()
        forking.watch(self)

    @property
    def pending(self) -> int:
        """Number of events that are recorded here and have no verdict yet."""
        return self._engine.queue.count

    def after_fork_in_child(self) -> None:
        """Begin anew: ids, queue, spool, sender and connection are the parent's."""
        is_closed = self._engine.is_closed
        self._begin()
        if is_closed:
            self._engine.close(0)

    def _begin(self) -> None:
        self._writer = EventWriter(self._settings.source)
        self._engine = Engine(self._settings)

    def _callbacks(
        self,
        on_accepted: Callable[[Sequence[Event]], None] | None,
        on_rejected: Callable[[Rejection], None] | None,
        on_error: Callable[[DeliveryError], None] | None,
    ) -> Callbacks:
        return Callbacks(on_accepted, on_rejected, on_error)
