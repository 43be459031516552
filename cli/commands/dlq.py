"""`tollbook dlq`: rejected positions of the log, and partitions that are halted."""

from __future__ import annotations

import getpass
import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json, StateDir
from cli.output import print_table

if TYPE_CHECKING:
    from streams.letters import Letter

app = typer.Typer(help="Look at rejected events, mend them, decide halts.", no_args_is_help=True)

_Position = Annotated[
    str, typer.Argument(help="generation/partition/offset/row, without row for a whole record.")
]
_Generation = Annotated[int, typer.Option(min=1, help="Generation of the log.")]
_Partition = Annotated[int, typer.Option(min=0, help="Partition that is halted.")]
_Offset = Annotated[int, typer.Option(min=0, help="Offset of the record that halts it.")]
_Reason = Annotated[str, typer.Option(help="Why; kept with the decision and the dead letter.")]
_By = Annotated[str | None, typer.Option("--by", help="Who decides. Default: the user.")]
_SHOWN_CHARACTERS = 60


@app.command("list")
def list_letters(
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
    reason: Annotated[str | None, typer.Option(help="Part of the reason.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant: ten_0190… or its UUID.")] = None,
    since: Annotated[str | None, typer.Option(help="From this log time on.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this log time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most the newest so many.")] = (
        100
    ),
) -> None:
    """Show what was rejected and why, one line for each position.

    Example: tollbook dlq list --reason time --since 2026-03-01T00:00:00Z
    """
    from infra.local.state import resolve_endpoints
    from streams.letters import Filter, read_letters

    first, end = _instant(since, "since"), _instant(until, "until")
    wanted = Filter(reason, _tenant(tenant), since=first, until=end)
    letters = read_letters(resolve_endpoints(os.environ, state_dir), wanted, limit)
    if as_json:
        rows = [{k: v for k, v in asdict(letter).items() if k != "body"} for letter in letters]
        print(json.dumps(rows, indent=2))
        return
    print_table(
        [
            (
                letter.position,
                _time(letter.log_time_ms),
                letter.tenant_id or "",
                (letter.event_id or "")[:_SHOWN_CHARACTERS],
                letter.reason[:_SHOWN_CHARACTERS],
                letter.replayed_at or "",
            )
            for letter in letters
        ],
        ("position", "log time", "tenant", "event", "reason", "replayed"),
    )


@app.command()
def show(
    position: _Position, state_dir: StateDir = Path(".tollbook"), as_json: Json = False
) -> None:
    """Show one letter whole; of a whole record also what the log still has of it.

    A position without a letter is looked up in the log, such as the record that halts a partition.
    Nothing looks into the record.

    Example: tollbook dlq show 1/0/4711/3
    """
    from infra.local.state import resolve_endpoints
    from streams.letters import parse_position

    parse_position(position)
    shown = _shown(resolve_endpoints(os.environ, state_dir), position)
    if as_json:
        print(json.dumps(shown, indent=2))
        return
    for name, value in shown.items():
        print(f"{name}: {value if isinstance(value, str | int) else json.dumps(value)}")


@app.command()
def replay(
    position: _Position,
    state_dir: StateDir = Path(".tollbook"),
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The mended CloudEvent(s).")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Where the letter names none.")] = None,
    as_json: Json = False,
) -> None:
    """Send a rejected event, or all events of a rejected record, once more.

    Under the same source and id it counts once, however often it is sent.

    Example: tollbook dlq replay 1/0/4711/3 --file mended.json
    """
    from core.clock import SystemClock
    from infra.local.state import resolve_endpoints
    from streams.letters import read_letter
    from streams.replay import bodies_of, bodies_of_file
    from streams.replay import replay as send

    endpoints = resolve_endpoints(os.environ, state_dir)
    letter = read_letter(endpoints, position)
    if file is None:
        bodies = bodies_of(endpoints, letter)
    else:
        bodies = bodies_of_file(file.read_bytes(), _tenant(tenant), letter)
    sent = send(endpoints, SystemClock(), letter, bodies)
    print(json.dumps({"sent": sent}) if as_json else f"{sent} events sent; each counts once")


@app.command()
def decide(
    generation: _Generation,
    partition: _Partition,
    offset: _Offset,
    reason: _Reason,
    state_dir: StateDir = Path(".tollbook"),
    by: _By = None,
) -> None:
    """Name the record that halts a partition as rejected, for good; the partition goes on.

    Example: tollbook dlq decide --generation 1 --partition 0 --offset 4711 --reason "bug 17"
    """
    _decide((generation, partition, offset), "rejected", reason, by, state_dir)


@app.command()
def retry(
    generation: _Generation,
    partition: _Partition,
    offset: _Offset,
    reason: _Reason = "tried once more",
    state_dir: StateDir = Path(".tollbook"),
    by: _By = None,
) -> None:
    """Have the record that halts a partition tried once more, such as by a mended release.

    Example: tollbook dlq retry --generation 1 --partition 0 --offset 4711
    """
    _decide((generation, partition, offset), "retried", reason, by, state_dir)


def _decide(
    position: tuple[int, int, int], decision: str, reason: str, by: str | None, state_dir: Path
) -> None:
    from core.clock import SystemClock
    from infra.local.state import resolve_endpoints
    from streams.decisions import decide as store

    endpoints = resolve_endpoints(os.environ, state_dir)
    made = store(endpoints, SystemClock(), position, decision, reason, by or getpass.getuser())
    print(f"{'/'.join(map(str, position))}: {made.decision}; workers see it within seconds")


def _shown(endpoints: Any, position: str) -> dict[str, Any]:
    from core.errors import NotFoundError
    from streams.letters import parse_position, read_letter
    from streams.replay import read_record

    shown: dict[str, Any] = {}
    try:
        letter: Letter = read_letter(endpoints, position)
        shown = letter.body | {"replayed_at": letter.replayed_at}
    except NotFoundError:
        if parse_position(position)[3] is not None:
            raise
    if parse_position(position)[3] is None:
        try:
            record = read_record(endpoints, position)
        except NotFoundError:
            if not shown:
                raise
        else:
            shown["record"] = {
                "log_time": _time(record["timestamp_ms"]),
                "headers": record["headers"],
                "value_bytes": len(record["value"]),
            }
    return shown


def _tenant(text: str | None) -> str | None:
    """Canonical text of a tenant's UUID."""
    from uuid import UUID

    from core.errors import ValidationError
    from core.ids import parse_id

    if text is None:
        return None
    if text.startswith("ten_"):
        return str(parse_id("ten", text, "tenant"))
    try:
        return str(UUID(text))
    except ValueError:
        raise ValidationError(f"tenant: expected ten_0190… or a UUID, got {text!r}") from None


def _instant(text: str | None, field: str) -> datetime | None:
    from cli.invoices import parse_instant

    return None if text is None else parse_instant(text, field)


def _time(millis: int) -> str:
    """A log time as text."""
    from datetime import UTC, timedelta

    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    return at.isoformat(timespec="milliseconds")
