"""`tollbook ingest`: files of events to a running ingest server."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.options import Json, StateDir
from core.errors import TollbookError, ValidationError

if TYPE_CHECKING:
    from ingest.upload.pieces import Defaults
    from ingest.upload.sending import Refusal, Sender

_SHOWN: Final = 10
_TIMEOUT_SECONDS: Final = 60.0


def ingest(
    files: Annotated[list[Path], typer.Argument(help="CSV, NDJSON or Parquet, by their endings.")],
    url: Annotated[
        str, typer.Option(envvar="TOLLBOOK_URL", help="Where `tollbook serve ingest` listens.")
    ] = "http://127.0.0.1:8080",
    api_key: Annotated[
        str, typer.Option(envvar="TOLLBOOK_API_KEY", help="A key with the scope events:write.")
    ] = "",
    source: Annotated[str | None, typer.Option(help="Source of events that name none.")] = None,
    event_type: Annotated[
        str | None, typer.Option("--type", help="Type of events that name none.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="From the start, also where a try before got far.")
    ] = False,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Send files of events. After a break give the same command again: each counts once.

    An event without an id gets one made of the file's content and its row. Rows that are refused
    are named, and the others counted; then the exit code is 1.

    Example: tollbook ingest usage.csv --source /billing-export --type llm.request
    """
    import httpx

    from ingest.upload.pieces import Defaults
    from ingest.upload.sending import Sender

    if not api_key:
        raise ValidationError("--api-key: give a key, or set TOLLBOOK_API_KEY", field="api_key")
    defaults = Defaults(source, event_type)
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS) as http:
        sender = Sender(http)
        way = hashlib.sha256(json.dumps([url, api_key, source, event_type]).encode()).hexdigest()
        found = [
            _send(sender, file, way, defaults, state_dir / "ingest", restart) for file in files
        ]
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    if any(each["refused"] for each in found):
        raise typer.Exit(1)


def _send(
    sender: Sender, file: Path, way: str, defaults: Defaults, folder: Path, restart: bool
) -> dict[str, object]:
    """One file; says on stderr what became of it."""
    from ingest.upload.journal import Journal
    from ingest.upload.pieces import digest_of
    from ingest.upload.registry import cutter_of
    from ingest.upload.sending import Refusal

    cut, digest = cutter_of(file), digest_of(file)
    journal = Journal.of(folder, digest, way)
    if restart:
        journal.done_rows = 0
    skipped, accepted = journal.done_rows, 0
    refused: list[Refusal] = []

    def report(row: int, message: str) -> None:
        refused.append(Refusal(row, None, "invalid_event", message))

    pieces = cut(file, digest, defaults, report)
    left = (piece for piece in pieces if piece.first_row + piece.rows > skipped + 1)
    with _bar(file) as show:
        try:
            for piece, outcome in sender.send(left):
                accepted += outcome.accepted
                refused += outcome.refused
                journal.note(piece.first_row + piece.rows - 1)
                show(journal.done_rows)
        except TollbookError as error:
            _tell(file, accepted, skipped, refused)
            error.message = f"{file}: {error.message}; {journal.done_rows} rows have verdicts"
            raise
    journal.forget()
    _tell(file, accepted, skipped, refused)
    return {
        "file": str(file),
        "accepted": accepted,
        "sent_before": skipped,
        "refused": [
            {"row": each.row, "id": each.id, "code": each.code, "message": each.message}
            for each in refused
        ],
    }


def _tell(file: Path, accepted: int, skipped: int, refused: list[Refusal]) -> None:
    before = f", {skipped:,} rows were sent before" if skipped else ""
    print(f"{file}: {accepted:,} accepted, {len(refused):,} refused{before}", file=sys.stderr)
    for each in refused[:_SHOWN]:
        name = "" if each.id is None else f" ({each.id})"
        print(f"  row {each.row}{name}: {each.message}", file=sys.stderr)
    if len(refused) > _SHOWN:
        print(f"  and {len(refused) - _SHOWN:,} more: --json lists all", file=sys.stderr)


@contextmanager
def _bar(file: Path) -> Iterator[Callable[[int], None]]:
    """A function of the rows done, which shows them on a terminal."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(file.name, total=None)
        yield lambda rows: bars.update(task, description=f"{file.name}: {rows:,} rows")
