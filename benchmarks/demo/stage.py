"""The demo's own installation: a stack that starts empty, ingest, and one stream worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from catalog.snapshot import SnapshotSource
from core.endpoints import Endpoints
from db.migrate import migrate
from infra.local.child import Child
from infra.local.stack import LocalStack
from streams.generation import ensure_generation

Show = Callable[[str, str], None]
"""Takes what works, and a short phrase on how far it is."""


class Stage:
    """Servers and processes of one demo, under one folder; `end` stops what was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = LocalStack(folder, environ=os.environ)
        self.children: list[Child] = []

    def begin(self, show: Show) -> None:
        """Start an empty stack and create its schemas and topics; an older demo's goes away."""
        if self._stack.state.exists():
            self._stack.stop(show)
            self._stack.state.delete()
        self._stack.start(show)
        show("schemas", "migrating")
        migrate(self.endpoints)
        ensure_generation(self.endpoints)
        show("schemas", "ready")

    @property
    def endpoints(self) -> Endpoints:
        """Where the servers are."""
        return self._stack.endpoints()

    def meters(self) -> SnapshotSource:
        """The catalog, as every process of the data plane sees it."""
        return SnapshotSource(self.endpoints.postgres, self.folder / "demo" / "catalog.json")

    def serve(self, name: str, *arguments: str) -> Child:
        """Start `tollbook serve ARGUMENTS` in the background."""
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        options = ["--state-dir", str(self.folder)]
        child = Child(name, ["serve", *arguments, *options], self.endpoints, logs, os.environ)
        child.start()
        self.children.append(child)
        return child

    def end(self, show: Show) -> None:
        """Stop processes, then servers; data and invoices stay in the folder."""
        for child in self.children:
            if child.alive():
                child.signal(signal.SIGTERM)
        self._stack.stop(show)
