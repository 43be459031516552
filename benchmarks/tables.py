"""`python -m benchmarks.tables`: the figures in `results/`, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.figures import RESULTS

_GIB = 1024**3


def main(
    results: Annotated[Path, typer.Option(help="Where the figures are.")] = RESULTS,
) -> None:
    """Print a section for each benchmark that was measured.

    Example: python -m benchmarks.tables
    """
    for path in sorted(results.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        print("\n".join(section(path.stem, found)))


def section(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    """The lines of one benchmark: when and where, its gates, its other figures or runs."""
    machine = found["machine"]
    yield f"### {name}"
    yield ""
    yield (
        f"{found['measured_at']}, commit {found['commit'][:12]}, {machine['cores']} cores of"
        f" {machine['cpu']}, {machine['memory_bytes'] / _GIB:.0f} GiB"
    )
    yield ""
    gates = found.get("gates", [])
    if isinstance(gates, list) and gates:
        yield from _table(("gate", "reached"), [(each["gate"], each["reached"]) for each in gates])
    if figures := found.get("figures"):
        yield from _table(("figure", "value"), list(figures.items()))
    else:
        yield from _runs(found.get("runs", []))
    for problem in found.get("problems", []):
        yield f"- failed: {problem}"
    yield ""


def _runs(runs: list[dict[str, Any]]) -> Iterator[str]:
    """One row a run, of what is a plain number or text in all of them."""
    if runs:
        names = [
            name
            for name in runs[0]
            if all(isinstance(run.get(name), int | float | str) for run in runs)
        ]
        yield from _table(tuple(names), [tuple(run[name] for name in names) for run in runs])


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' if at == 0 else '---:' for at in range(len(head)))}|"
    for row in rows:
        yield f"| {' | '.join(map(_shown, row))} |"
    yield ""


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"  # noqa: PLR2004 - digits
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    typer.run(main)
