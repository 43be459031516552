"""What dead processes left behind in the folder: adopted, drained, removed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import inf

from tollbook.clock import monotonic_seconds
from tollbook.queues import Batch, Source
from tollbook.spool.folder import SpoolFolder, SubSpool
from tollbook.spool.reader import SpoolReader
from tollbook.verdicts import Rejection

LOOK_SECONDS = 10.0
"""How often a client looks for orphans: a worker may die long before its siblings end."""

_log = logging.getLogger("tollbook")


class Orphans:
    """None: what a client in memory mode adopts.

    Attributes:
        look_seconds: How often to look.
    """

    look_seconds: float = inf

    def look(self) -> None:
        """Adopt what is new, if it is time to look."""

    def first(self) -> Source | None:
        """The one to be drained now."""
        return None

    def retire(self, source: Source) -> None:
        """Remove one that is drained."""

    def leave(self, source: Source) -> None:
        """Give one back, as it cannot be drained now."""

    def close(self) -> None:
        """Leave the rest to whoever comes next."""


NO_ORPHANS = Orphans()


class Orphan(Source):
    """A sub-spool without a writer."""

    outlives = True

    def __init__(self, folder: SpoolFolder, sub: SubSpool) -> None:
        self.sub = sub
        self._folder = folder
        self._reader = SpoolReader(folder, sub, sub.bases())

    def take(self, events_max: int, bytes_max: int) -> Batch | None:
        """The oldest events."""
        return self._reader.take(events_max, bytes_max)

    def settle(self, batch: Batch) -> None:
        """Move the position on."""
        self._reader.settle(batch.end)

    def keep_refused(self, rejections: Sequence[Rejection]) -> None:
        """Write them down beside the spool."""
        self._folder.keep_refused(rejections)

    def close(self) -> None:
        """Close its files."""
        self._reader.close()


class AdoptedOrphans(Orphans):
    """Looked for when the client is made, and from time to time by its sender."""

    look_seconds = LOOK_SECONDS

    def __init__(self, folder: SpoolFolder) -> None:
        self._folder = folder
        self._adopted: list[Orphan] = []
        self._look_at = 0.0

    def look(self) -> None:
        """Adopt what is new. A folder that cannot be read is looked at again later."""
        now = monotonic_seconds()
        if now < self._look_at:
            return
        self._look_at = now + self.look_seconds
        try:
            for sub in self._folder.adopt():
                self._open(sub)
        except OSError as error:
            _log.warning("spool: cannot look for what others left behind: %s", error)

    def _open(self, sub: SubSpool) -> None:
        try:
            self._adopted.append(Orphan(self._folder, sub))
        except OSError:
            sub.lock.release()
            raise

    def first(self) -> Source | None:
        """The one to be drained now."""
        return self._adopted[0] if self._adopted else None

    def retire(self, source: Source) -> None:
        """Remove one that is drained."""
        if isinstance(source, Orphan):
            self._adopted.remove(source)
            source.close()
            self._folder.remove(source.sub)

    def leave(self, source: Source) -> None:
        """Give one back, as it cannot be drained now."""
        if isinstance(source, Orphan) and source in self._adopted:
            self._adopted.remove(source)
            source.close()
            source.sub.lock.release()

    def close(self) -> None:
        """Leave the rest to whoever comes next."""
        for orphan in tuple(self._adopted):
            self.leave(orphan)
