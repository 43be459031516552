"""What works for long says so on stderr: a bar for each partition of the log, or a count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn

from streams.jobs.store import Part


@contextmanager
def part_bars() -> Iterator[Callable[[Part, int], None]]:
    """A function of (partition, what is left of it): one bar for each, gone at the end."""
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[Part, TaskID] = {}
        totals: dict[Part, int] = {}

        def show(part: Part, left: int) -> None:
            if part not in tasks:
                name = f"partition {part.generation}/{part.partition}"
                tasks[part], totals[part] = bars.add_task(name, total=left), left
            totals[part] = max(totals[part], left)
            bars.update(tasks[part], total=totals[part], completed=totals[part] - left)

        yield show


@contextmanager
def counting(things: str) -> Iterator[Callable[[int], None]]:
    """A function of how many more are done: one moving line, gone at the end."""
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} {task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(things, total=None)
        yield lambda more: bars.advance(task, more)
