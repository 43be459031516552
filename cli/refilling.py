"""What `rebuild` and `repair` have in common: a worker of their own, then the jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.errors import InternalError

if TYPE_CHECKING:
    from catalog.snapshot_content import CatalogSnapshot
    from core.endpoints import Endpoints
    from infra.local.child import Child
    from streams.jobs.work import Tally
    from streams.rebuild.rebuild import Ends

_STARTS_MAX: Final = 10
_LOG_CHARACTERS: Final = 1_500


def snapshot_of(endpoints: Endpoints, state_dir: Path) -> CatalogSnapshot:
    """The newest catalog."""
    from catalog.snapshot import SnapshotSource

    source = SnapshotSource(endpoints.postgres, state_dir.absolute() / "rebuild" / "catalog.json")
    with closing(source):
        return source.load()


def compacted(endpoints: Endpoints, state_dir: Path) -> tuple[Tally, int]:
    """Do all jobs; what was done, and the catalog version."""
    from cli.progress import part_bars
    from streams.jobs.compact import compact

    snapshot = snapshot_of(endpoints, state_dir)
    with part_bars() as progress:
        return compact(endpoints.clickhouse, snapshot, progress), snapshot.version


def refilled(endpoints: Endpoints, state_dir: Path, ends: Ends) -> None:
    """Run a worker until the ledger covers the log up to `ends`."""
    from rich.console import Console
    from rich.progress import Progress

    from db.clickhouse import connect_clickhouse
    from streams.rebuild.refill import await_refill

    bars = Progress(console=Console(stderr=True), transient=True)
    with closing(connect_clickhouse(endpoints.clickhouse)) as client, bars:
        task = bars.add_task("records", total=None)
        with _worker(endpoints, state_dir) as worker:
            await_refill(
                client,
                ends,
                lambda: _tend(worker),
                lambda done, of: bars.update(task, completed=done, total=of),
            )


@contextmanager
def _worker(endpoints: Endpoints, state_dir: Path) -> Iterator[Child]:
    import signal

    from infra.local.child import Child

    folder = state_dir.absolute() / "rebuild"
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["serve", "streams", "--worker-id", "rebuild", "--state-dir", str(state_dir)]
    worker = Child("worker", arguments, endpoints, folder, os.environ)
    try:
        yield worker
        if worker.alive():
            worker.signal(signal.SIGTERM)
    finally:
        worker.end()


def _tend(worker: Child) -> None:
    """Keep the worker running. Raises `InternalError` when it ends again and again."""
    if worker.alive():
        return
    if worker.starts >= _STARTS_MAX:
        end = worker.read_log()[-_LOG_CHARACTERS:]
        raise InternalError(f"the worker ended {worker.starts} times; the end of its log:\n{end}")
    time.sleep(min(worker.starts, 5))
    worker.start()
