"""What is acknowledged is on disk, also when the disk is full.

The embedded engine takes a part for whole whose writing failed, until it starts again: it tells no
client, and does so for merges, too. So room is asked for before an insert, and before an insert is
answered the engine's own counter of failed writes is read. If it moved, the process ends: at the
next start the engine sees the sizes of files, and puts aside what is not whole.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Final

from infra.local.clickhouse.engine import Connection
from infra.local.clickhouse.errors import NOT_ENOUGH_SPACE, EngineError

LOG = logging.getLogger(__name__)

EXIT_CODE: Final = 74
"""How the process ends after a failed write: an error of input or output."""

_ROOM_PER_BYTE: Final = 4
"""An insert takes up its rows twice, once more when they are merged, and something beside."""

_FAILED_WRITES: Final = (
    b"SELECT sum(value) FROM system.events"
    b" WHERE event IN ('WriteBufferFromFileDescriptorWriteFailed')"
)


class Disk:
    """The disk of a data directory; `reserve_bytes` of it are never given to inserts."""

    def __init__(self, directory: Path, reserve_bytes: int) -> None:
        self._directory, self._reserve_bytes = directory, reserve_bytes

    def require_room(self, insert_bytes: int) -> None:
        """Raise the engine's own NOT_ENOUGH_SPACE unless an insert of this size has room."""
        free = shutil.disk_usage(self._directory).free
        wanted = self._reserve_bytes + _ROOM_PER_BYTE * insert_bytes
        if free < wanted:
            raise EngineError.of(
                NOT_ENOUGH_SPACE,
                f"Cannot reserve {wanted >> 20} MiB, not enough space: {free >> 20} MiB are free.",
            )

    def confirm(self, connection: Connection) -> None:
        """Return if every write of the engine went through since it started; else end."""
        result, _ = connection.execute(_FAILED_WRITES, "TSVRaw")
        failed = int(bytes(result.bytes()) or b"0")
        if failed:
            LOG.critical(
                "%d writes into %s failed: its disk is full or broken. What was written in part is"
                " not acknowledged. Make room, then start this again: it puts aside what is not"
                " whole", failed, self._directory,
            )  # fmt: skip
            logging.shutdown()
            os._exit(EXIT_CODE)
