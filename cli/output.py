"""How commands show progress and tables: for people on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_WIDE: Final = 10_000


class Resource(Protocol):
    """What has a form that is shown outside."""

    def as_resource(self) -> dict[str, Any]:
        """That form."""


_Shown = TypeVar("_Shown", bound=Resource)


@contextmanager
def part_progress(names: Sequence[str]) -> Iterator[Callable[[str, str], None]]:
    """A function of (name, phrase) that shows one moving line per name, on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda name, phrase: print(f"{name}: {phrase}", file=sys.stderr, flush=True)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {name: bars.add_task(name, total=1) for name in names}

        def show(name: str, phrase: str) -> None:
            ended = phrase.startswith(("ready", "stopped", "killed", "outside server"))
            task = tasks.setdefault(name, bars.add_task(name, total=1))
            bars.update(task, description=f"{name:<11}{phrase}", completed=int(ended))

        yield show


def print_table(
    rows: Sequence[Sequence[str]], columns: Sequence[str], numbers: Container[str] = ()
) -> None:
    """A table on stdout; cells are shown as they are, never read as markup.

    The columns called `numbers` are set to the right.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in numbers else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE  # programs read whole cells, and whole lines
    console.print(table)


def print_list(
    found: Sequence[_Shown],
    as_json: bool,
    columns: Sequence[str],
    row: Callable[[_Shown], Sequence[str]],
    numbers: Container[str] = (),
) -> None:
    """What a list command found: resources as JSON for programs, a table of `row`s for people."""
    if as_json:
        print(json.dumps([each.as_resource() for each in found], indent=2, ensure_ascii=False))
    else:
        print_table([row(each) for each in found], columns, numbers)


def print_resource(resource: Mapping[str, Any], as_json: bool, done: str) -> None:
    """What became of one thing: the line `done` for people, the thing itself for programs."""
    print(json.dumps(resource, indent=2, ensure_ascii=False) if as_json else done)


def print_json(rows: Sequence[DataclassInstance]) -> None:
    """Dataclasses as a JSON list on stdout."""
    print(json.dumps([asdict(row) for row in rows], indent=2))
