"""The process's way to read usage, made when somebody asks for the first time."""

from __future__ import annotations

import threading

from usage.reader import UsageReader


class UsageConnection:
    """Reads of usage. `close()` it."""

    def __init__(self, clickhouse_url: str) -> None:
        self._url = clickhouse_url
        self._lock = threading.Lock()
        self._reader: UsageReader | None = None

    def reader(self) -> UsageReader:
        """The reader of this process. Raises `DependencyDownError`."""
        with self._lock:
            if self._reader is None:
                self._reader = UsageReader(self._url)
            return self._reader

    def close(self) -> None:
        """Let go of the connections."""
        if self._reader is not None:
            self._reader.close()
