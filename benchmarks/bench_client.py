"""`python -m benchmarks.bench_client`: what recording an event costs the caller.

The client records in memory mode and in spool mode, and beside it the least that anyone could
write: `json.dumps` and `list.append`; `json.dumps`, `file.write` and `flush`. The ways take turns.
A receiver in a process of its own takes the batches meanwhile. Exits with 1 when an event did not
arrive exactly once or a gate is missed.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median
from typing import Annotated, Any, Final

import httpx
import msgspec
import typer
from tollbook import Client

from benchmarks.errors import BenchmarkError
from benchmarks.event_receiver import Counted
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.progress import new_bars, stepper
from core.clock import monotonic_seconds

EVENTS: Final = 200_000
ROUNDS: Final = 5
BURST_EVENTS: Final = 200
BURSTS_PER_SECOND: Final = 100
_PACED_PART: Final = 10
"""One in so many events is recorded again at a steady 20,000 a second."""

_MICROS: Final = 1e6
_ROOT: Final = Path(__file__).parents[1]
_MODES: Final = ("memory", "spool")
BOUNDS: Final = (
    Bound("memory: recorded, events/s", least=100_000),
    Bound("spool: recorded, events/s", least=100_000),
    Bound("memory: added per event, µs", most=5),
    Bound("spool: added per event, µs", most=15),
)

Record = Callable[[str, Mapping[str, Any]], object]


def main(
    events: Annotated[int, typer.Option(min=2_000, help="Events of each round.")] = EVENTS,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the ways take turns.")] = ROUNDS,
    full: Annotated[bool, typer.Option("--full", help="Five times as many events.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail beyond the stated figures.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "client.json",
) -> None:
    """Measure recording beside the least that anyone could write, and check what arrived.

    Example: python -m benchmarks.bench_client --events 20000 --rounds 1 --no-gates
    """
    events *= 5 if full else 1
    try:
        with new_bars() as bars, receiver() as url:
            with stepper(bars)("recording", rounds) as tell:
                runs = []
                for number in range(rounds):
                    runs += [run for mode in _MODES for run in _round(url, mode, events)]
                    tell(number + 1)
            differences = _differences(url, runs)
    except (BenchmarkError, httpx.HTTPError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    outcome = Outcome("client", runs, _figures(runs), BOUNDS, differences)
    if conclude(outcome, results, gates=gates, as_json=as_json):
        raise typer.Exit(1)


def _figures(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Medians over the rounds."""
    found: dict[str, float] = {}
    for mode in _MODES:
        for way, title in (("client", "added"), ("baseline", "baseline")):
            mine = [run for run in runs if (run["mode"], run["way"]) == (mode, way)]
            recorded = "recorded" if way == "client" else "baseline"
            found[f"{mode}: {recorded}, events/s"] = median(run["events_per_s"] for run in mine)
            found[f"{mode}: {title} per event, µs"] = median(run["paced_us"] for run in mine)
            waits = f"{mode}: {title} per event, waits included, µs"
            found[waits] = median(run["paced_mean_us"] for run in mine)
        client = [run for run in runs if (run["mode"], run["way"]) == (mode, "client")]
        found[f"{mode}: caller's CPU per event, µs"] = median(run["cpu_us"] for run in client)
        found[f"{mode}: acknowledged, events/s"] = median(run["sent_per_s"] for run in client)
    return found


def _round(url: str, mode: str, events: int) -> Iterator[dict[str, Any]]:
    """The client and its baseline, each flat out and then paced."""
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-") as folder:
        path = Path(folder)
        spool = path / "spool" if mode == "spool" else None
        room = 2 * events + BURST_EVENTS
        with Client(url, "tb_live_bench", spool=spool, queue_events=room) as client:

            def record(subject: str, data: Mapping[str, Any]) -> None:
                client.record("llm.request", subject, data)

            run = _timed(record, events)
            began_seconds = monotonic_seconds()
            accepted = client.flush(300).accepted
            run["sent_per_s"] = round(
                accepted / (run["seconds"] + monotonic_seconds() - began_seconds)
            )
            paced = _paced(record, events // _PACED_PART)
            accepted += client.flush(300).accepted
            yield {"mode": mode, "way": "client", **run, **paced, "accepted": accepted}
        with (path / "plain").open("w", encoding="utf-8") as file:
            kept: list[str] = []
            is_spool = mode == "spool"
            plain = _plain(file.write, file.flush) if is_spool else _plain(kept.append, None)
            timed = _timed(plain, events)
            yield {
                "mode": mode, "way": "baseline", **timed, **_paced(plain, events // _PACED_PART),
            }  # fmt: skip


def _plain(keep: Callable[[str], object], flush: Callable[[], object] | None) -> Record:
    """The least that anyone could write: no id, no time, no check."""
    if flush is None:

        def append(subject: str, data: Mapping[str, Any]) -> None:
            keep(json.dumps({"type": "llm.request", "subject": subject, "data": data}))

        return append

    def write(subject: str, data: Mapping[str, Any]) -> None:
        keep(json.dumps({"type": "llm.request", "subject": subject, "data": data}) + "\n")
        flush()

    return write


def _traffic(events: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Subjects and data as a gateway has them, about 110 bytes of data; made before."""
    some = [
        (
            f"team-{number % 500}",
            {
                "model": f"model-{number % 7}",
                "region": "eu-central",
                "input_tokens": number * 37 % 4_000,
                "output_tokens": number * 11 % 900,
                "cached": number % 3 == 0,
            },
        )
        for number in range(2_000)
    ]
    return itertools.islice(itertools.cycle(some), events)


def _timed(record: Record, events: int) -> dict[str, Any]:
    """Flat out; what the loop itself takes is taken off."""
    began_seconds, began_cpu = monotonic_seconds(), time.thread_time()
    for _ in _traffic(events):
        pass
    loop_seconds, loop_cpu = monotonic_seconds() - began_seconds, time.thread_time() - began_cpu
    began_seconds, began_cpu = monotonic_seconds(), time.thread_time()
    for subject, data in _traffic(events):
        record(subject, data)
    seconds, cpu = monotonic_seconds() - began_seconds, time.thread_time() - began_cpu
    return {
        "events": events,
        "seconds": round(seconds - loop_seconds, 4),
        "events_per_s": round(events / (seconds - loop_seconds)),
        "cpu_us": round((cpu - loop_cpu) / events * _MICROS, 3),
    }


def _paced(record: Record, events: int) -> dict[str, Any]:
    """In bursts, evenly, the sender at work beside it: what a call takes in the median burst.

    In the mean, bursts count too that had to wait: for the sender, which shares the interpreter's
    lock, or for other work on the machine.
    """
    traffic = _traffic(events)
    bursts = []
    while burst := list(itertools.islice(traffic, BURST_EVENTS)):
        began_seconds = monotonic_seconds()
        for subject, data in burst:
            record(subject, data)
        spent_seconds = monotonic_seconds() - began_seconds
        bursts.append(spent_seconds / len(burst) * _MICROS)
        time.sleep(max(0.0, 1 / BURSTS_PER_SECOND - spent_seconds))
    return {
        "paced_events": events,
        "paced_us": round(median(bursts), 3),
        "paced_mean_us": round(mean(bursts), 3),
    }


def _differences(url: str, runs: list[dict[str, Any]]) -> list[str]:
    """Where the receiver got other than each event once."""
    wanted = sum(run["events"] + run["paced_events"] for run in runs if run["way"] == "client")
    accepted = sum(run.get("accepted", 0) for run in runs)
    counted = msgspec.json.decode(httpx.get(url).content, type=Counted)
    if {accepted, counted.events, counted.distinct} != {wanted}:
        return [f"{wanted} events recorded, {accepted} accepted, the receiver counted {counted}"]
    return []


@contextmanager
def receiver() -> Iterator[str]:
    """The address of a receiver in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.event_receiver"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            if not port:
                raise BenchmarkError("the receiver did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


if __name__ == "__main__":
    typer.run(main)
