"""Progress bars on the standard error stream: servers that start, steps that go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

Step = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Opens a progress bar, by its title and total; gives what is told how far the step is."""


def new_bars() -> Progress:
    """Bars to enter as a context."""
    return Progress(
        TextColumn("{task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def reporter(bars: Progress) -> Callable[[str, str], None]:
    """What is told the name of a server and what happens to it."""
    tasks: dict[str, TaskID] = {}

    def report(name: str, phrase: str) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task("", total=None)
        bars.update(tasks[name], description=f"{name}: {phrase}"[:32])
        if phrase.startswith(("ready", "stopped", "outside server answers")):
            bars.update(tasks[name], total=1, completed=1)

    return report


def stepper(bars: Progress) -> Step:
    """What opens a bar for a step."""

    @contextmanager
    def step(title: str, total: int) -> Iterator[Callable[[int], None]]:
        task = bars.add_task(title, total=total or None)
        yield lambda done: bars.update(task, completed=done)
        bars.update(task, total=total or 1, completed=total or 1)

    return step
