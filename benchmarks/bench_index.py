"""`python -m benchmarks.bench_index`: the dedupe index beside a Python set and RocksDB.

Exits with 1 when verdicts differ or a gate is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.errors import BenchmarkError
from benchmarks.installation import servers
from benchmarks.key_stores import STORES
from benchmarks.machine import commit, describe_machine
from benchmarks.restoring import restore_clickhouse, restore_files
from core.clock import SystemClock
from core.errors import TollbookError

KEYS: Final = (1_000_000, 10_000_000)
FULL_KEYS: Final = 100_000_000
RESTORED_KEYS: Final = 8_000_000
RATE_MIN: Final = 8_000_000
BYTES_MAX: Final = 32
BYTES_FROM_KEYS: Final = 100_000_000
PAUSE_SECONDS_MAX: Final = 0.2
ROCKSDICT_RATIO_MIN: Final = 8
CLICKHOUSE_RATE_MIN: Final = 3_000_000
_RESULTS: Final = Path(__file__).parent / "results" / "index.json"
_ROOT: Final = Path(__file__).parents[1]


def main(
    keys: Annotated[
        list[int] | None, typer.Option(min=100_000, help="How many keys; may be repeated.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="100 million keys, too.")] = False,
    restored: Annotated[
        int, typer.Option(help="Keys restored after a restart; 0: none.")
    ] = RESTORED_KEYS,
    gates: Annotated[bool, typer.Option(help="Fail below the stated figures.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = _RESULTS,
) -> None:
    """Measure the index beside a set and RocksDB, and check that all of them say the same.

    Example: python -m benchmarks.bench_index --keys 200000 --restored 0 --no-gates
    """
    sizes = list(keys or KEYS) + ([FULL_KEYS] if full else [])
    try:
        runs = [_measure(store, size) for size in sizes for store in STORES]
        restores = _restores(restored) if restored else {}
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    problems = differences(runs) + (missed(runs, restores) if gates else [])
    found = {
        "benchmark": "index",
        "measured_at": SystemClock().now().isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": {name: getattr(describe_machine(), name) for name in _MACHINE},
        "runs": runs,
        "restores": restores,
        "problems": problems,
    }
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print(runs, restores)
    for problem in problems:
        print(f"failed: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)


_MACHINE: Final = ("cores", "cpu", "memory_bytes", "system", "python")


def _measure(store: str, keys: int) -> dict[str, Any]:
    """One store in a process of its own."""
    print(f"{store}: {keys:,} keys", file=sys.stderr)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.key_stores", store, str(keys)],
        cwd=_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchmarkError(f"{store} with {keys:,} keys: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _restores(keys: int) -> dict[str, Any]:
    print(f"restoring {keys:,} keys", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-") as folder:
        found: dict[str, Any] = {
            "segments": restore_files(keys, 2 * keys, Path(folder) / "segments"),
            "runs": restore_files(keys, keys // 4, Path(folder) / "runs"),
        }
    with (
        servers(os.environ, lambda *_: None) as running,
        running.installation() as where,
    ):
        found["clickhouse"] = restore_clickhouse(where, keys)
    return found


def differences(runs: list[dict[str, Any]]) -> list[str]:
    """Where stores said other than the set, which is right by its plainness."""
    said = {run["events"]: run["verdicts"] for run in runs if run["store"] == "set"}
    return [
        f"{run['store']} with {run['events']:,} events: other verdicts than the set"
        for run in runs
        if run["verdicts"] != said[run["events"]]
    ]


def missed(runs: list[dict[str, Any]], restores: dict[str, Any]) -> list[str]:
    """Gates that were missed."""
    rates = {(run["store"], run["events"]): run["events_per_cpu_second"] for run in runs}
    lines = []
    for run in runs:
        if run["store"] != "index":
            continue
        events, rate = run["events"], run["events_per_cpu_second"]
        title = f"index with {events:,} events"
        if rate < RATE_MIN:
            lines.append(f"{title}: at least {RATE_MIN:,} a second, reached {rate:,}")
        if rate < rates["set", events]:
            lines.append(f"{title}: at least as fast as the set, {rates['set', events]:,} a second")
        if rate < ROCKSDICT_RATIO_MIN * rates["rocksdict", events]:
            lines.append(f"{title}: at least {ROCKSDICT_RATIO_MIN} times rocksdict")
        if events >= BYTES_FROM_KEYS and run["bytes_per_key"] > BYTES_MAX:
            lines.append(f"{title}: at most {BYTES_MAX} bytes a key, {run['bytes_per_key']} taken")
        if run["pause_seconds_max"] > PAUSE_SECONDS_MAX:
            lines.append(f"{title}: at most {PAUSE_SECONDS_MAX} s a batch")
    found = restores.get("clickhouse", {}).get("keys_per_second", CLICKHOUSE_RATE_MIN)
    if found < CLICKHOUSE_RATE_MIN:
        lines.append(f"ClickHouse: at least {CLICKHOUSE_RATE_MIN:,} keys a second, {found:,}")
    return lines


def _print(runs: list[dict[str, Any]], restores: dict[str, Any]) -> None:
    table = Table(title="Look-ups and inserts, batches of 65,536, one in a hundred a copy")
    for name in ("store", "events", "events/s", "events/CPU s", "longest batch s", "bytes/key"):
        table.add_column(name, justify="left" if name == "store" else "right")
    for run in runs:
        table.add_row(
            run["store"], f"{run['events']:,}", f"{run['events_per_second']:,}",
            f"{run['events_per_cpu_second']:,}", f"{run['pause_seconds_max']:.3f}",
            f"{run['bytes_per_key']:.1f}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    for name, found in restores.items():
        console.print(f"restored from {name}: {found['keys_per_second']:,} keys a second")


if __name__ == "__main__":
    typer.run(main)
