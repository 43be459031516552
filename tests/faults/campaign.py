"""The campaign: rounds of faults in parallel lanes until enough was broken, then a report.

    python -m tests.faults.campaign --crashes 600 --events 10000000 --report build/faults.json

A lane is a process with servers of its own. A round that breaks a law is reported with the command
that repeats it; its logs are kept. Called again with the report of a campaign that did not reach
its figures at the same commit, it goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from core.clock import SystemClock, monotonic_seconds
from tests.faults.arena import open_arena
from tests.faults.kinds import WORKER_POINTS
from tests.faults.lane import Tally
from tests.faults.nursery import ROOT
from tests.faults.rounds import Plan, run_round

FAULTS_PER_ROUND: Final = 16
_SEED_BITS: Final = 32


@dataclass(slots=True)
class Campaign:
    """What is wanted, and what was done so far."""

    seed: int
    crashes: int
    events: int
    minutes: float
    lanes: int
    faults_per_round: int = FAULTS_PER_ROUND
    outage_seconds: tuple[float, float] = (5.0, 20.0)
    long_outage_seconds: float = 0.0
    crashes_per_fault: float = 0.9
    """Fewer than there are, so that a campaign has more faults of each kind."""
    every_point: bool = False
    """Go on until workers died at each of their points."""
    first_round: int = 0
    rounds: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def tally(self) -> Tally:
        """All rounds together."""
        whole = Tally()
        for done in self.rounds:
            for name, counts in done["tally"].items():
                getattr(whole, name).update(counts)
        return whole

    def figures(self) -> tuple[int, int]:
        """Crashes injected and events in the logs, of the rounds that kept every law."""
        whole = self.tally()
        return sum(whole.crashes.values()), whole.log["events"]

    def enough(self) -> bool:
        """Whether the figures wanted are reached."""
        crashes, events = self.figures()
        missed = self.every_point and set(WORKER_POINTS) - set(self.tally().points)
        return crashes >= self.crashes and events >= self.events and not missed

    def plan(self, number: int, *, verbose: bool = False) -> Plan:
        """The plan of a round: as many events a fault as the whole wants."""
        faults = max(1.0, self.crashes / self.crashes_per_fault)
        return Plan(
            self.seed,
            number,
            int(self.events / faults * self.faults_per_round),
            self.faults_per_round,
            self.outage_seconds,
            self.long_outage_seconds if number == 0 else 0.0,
            verbose,
        )

    def report(self) -> dict[str, Any]:
        """Everything, for machines and for the page of guarantees."""
        crashes, events = self.figures()
        return {
            "seed": self.seed,
            "crashes": crashes,
            "events": events,
            "rounds": len(self.rounds),
            "failed rounds": len(self.failures),
            "seconds": round(self.seconds),
            "commit": _commit(),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
            "at": SystemClock().now().isoformat(timespec="seconds"),
            "tally": self.tally().as_json(),
            "failures": self.failures,
            "done": self.rounds,
        }


class _Dealer:
    """Hands out round numbers to lanes and takes their results, until it is enough."""

    def __init__(self, campaign: Campaign, report: Path | None) -> None:
        self._campaign, self._report = campaign, report
        self._lock = threading.Lock()
        done = [one["number"] for one in (*campaign.rounds, *campaign.failures)]
        self._next = max(done, default=campaign.first_round - 1) + 1
        self._began = monotonic_seconds() - campaign.seconds
        self._deadline = monotonic_seconds() + campaign.minutes * 60

    def deal(self) -> int | None:
        with self._lock:
            if self._campaign.enough() or monotonic_seconds() > self._deadline:
                return None
            self._next += 1
            return self._next - 1

    def take(self, result: dict[str, Any]) -> None:
        with self._lock:
            campaign = self._campaign
            (campaign.failures if "error" in result else campaign.rounds).append(result)
            campaign.seconds = monotonic_seconds() - self._began
            crashes, events = campaign.figures()
            state = result.get("error", "every law kept")
            sys.stderr.write(
                f"{campaign.seconds:6.0f} s  round {result['number']:3}: {state[:300]};"
                f" {crashes} crashes, {events} events, {len(campaign.failures)} failures\n"
            )
            if self._report is not None:
                _write(self._report, campaign.report())


def run_campaign(campaign: Campaign, report: Path | None, keep: Path) -> None:
    """Run until it is enough or the time is over; `keep` gets the logs of rounds that failed."""
    dealer = _Dealer(campaign, report)
    threads = [
        threading.Thread(target=_run_lane, args=(campaign, dealer, keep), daemon=True)
        for _ in range(campaign.lanes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _run_lane(campaign: Campaign, dealer: _Dealer, keep: Path) -> None:
    """A lane process, and a new one after a round that failed."""
    number = dealer.deal()
    while number is not None:
        with subprocess.Popen(
            [sys.executable, "-m", "tests.faults.campaign", "--lane", str(keep)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        ) as lane:
            assert lane.stdin is not None
            assert lane.stdout is not None
            while number is not None:
                lane.stdin.write(json.dumps(asdict(campaign.plan(number))) + "\n")
                lane.stdin.flush()
                answer = lane.stdout.readline()
                result = json.loads(answer) if answer else {"error": "the lane's process ended"}
                dealer.take({"number": number, **result})
                number = dealer.deal()
                if "error" in result:
                    break
            lane.stdin.close()


def _serve_lane(keep: Path) -> None:
    """Run the rounds that come in, one a line; ends after the first that fails."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints does not get between the answers
    folder = Path(tempfile.mkdtemp(prefix="tollbook-faults-"))
    try:
        with open_arena(folder) as arena:
            for line in sys.stdin:
                plan = Plan(**json.loads(line))
                result = _attempt(arena, plan, folder / f"round-{plan.number}", keep)
                answers.write(json.dumps(result) + "\n")
                answers.flush()
                if "error" in result:
                    return
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _attempt(arena: Any, plan: Plan, folder: Path, keep: Path) -> dict[str, Any]:
    began = monotonic_seconds()
    try:
        tally = run_round(arena, plan, folder)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this round's result
        kept = keep / f"round-{plan.seed}-{plan.number}"
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        shutil.copytree(arena.stack.state.root / "logs", kept / "servers", dirs_exist_ok=True)
        (kept / "traceback").write_text(traceback.format_exc(), encoding="utf-8")
        again = f"--seed {plan.seed} --round {plan.number} --events-per-round {plan.events}"
        return {
            "error": f"{type(error).__name__}: {error}",
            "logs": str(kept),
            "again": f"python -m tests.faults.campaign {again} --faults-per-round {plan.faults}",
        }
    shutil.rmtree(folder, ignore_errors=True)
    return {"seconds": round(monotonic_seconds() - began, 1), "tally": tally.as_json()}


def _commit() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip() or "unknown"


def _write(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    temporary.replace(path)


def _resume(campaign: Campaign, report: Path) -> None:
    """Go on where the report ends: one of another commit, or a complete one, is put aside."""
    if not report.exists():
        return
    known = json.loads(report.read_text(encoding="utf-8"))
    complete = known["crashes"] >= campaign.crashes and known["events"] >= campaign.events
    if complete or known["commit"] != _commit():
        report.replace(report.with_suffix(".before.json"))
        return
    campaign.seed, campaign.rounds = known["seed"], known["done"]
    campaign.failures, campaign.seconds = known["failures"], known["seconds"]


def _once(options: argparse.Namespace) -> int:
    """One round, with every step told: to look at what a campaign found."""
    folder = Path(tempfile.mkdtemp(prefix="tollbook-faults-"))
    plan = Plan(
        options.seed, options.round, options.events_per_round, options.faults_per_round,
        tuple(options.outage), options.long_outage, verbose=True,
    )  # fmt: skip
    with open_arena(folder) as arena:
        result = _attempt(arena, plan, folder / "round", options.keep)
    shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return int("error" in result)


def main() -> int:
    """Exit code 0 when the figures are reached and every round kept every law."""
    options = _options().parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.lane:
        _serve_lane(options.lane)
        return 0
    if options.round is not None:
        return _once(options)
    campaign = Campaign(
        options.seed, options.crashes, options.events, options.minutes, options.lanes,
        options.faults_per_round, tuple(options.outage), options.long_outage,
    )  # fmt: skip
    _resume(campaign, options.report)
    sys.stderr.write(f"seed {campaign.seed}, report {options.report}\n")
    run_campaign(campaign, options.report, options.keep)
    options.report.write_text(json.dumps(campaign.report(), indent=1), encoding="utf-8")
    crashes, events = campaign.figures()
    good = campaign.enough() and not campaign.failures
    sys.stderr.write(f"{'green' if good else 'RED'}: {crashes} crashes, {events} events\n")
    return int(not good)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__)
    add = parser.add_argument
    add("--crashes", type=int, default=600, help="process deaths to inject")
    add("--events", type=int, default=10_000_000, help="events in the logs of all rounds")
    add("--seed", type=int, default=secrets.randbits(_SEED_BITS))
    add("--lanes", type=int, default=3, help="rounds under way at the same time")
    add("--minutes", type=float, default=58.0, help="no round starts later")
    add("--outage", type=float, nargs=2, default=(5.0, 20.0), help="seconds, from and to")
    add("--long-outage", type=float, default=0.0, help="seconds of one outage more, in round 0")
    add("--report", type=Path, default=Path("faults.json"))
    add("--keep", type=Path, default=Path(tempfile.gettempdir()) / "tollbook-faults-kept")
    add("--round", type=int, default=None, help="run this round alone and tell every step")
    add("--events-per-round", type=int, default=250_000)
    add("--faults-per-round", type=int, default=FAULTS_PER_ROUND)
    add("--lane", type=Path, default=None, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
