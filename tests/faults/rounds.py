"""Rounds: from a campaign's seed and a number to faults, a log, and the laws."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.clock import monotonic_seconds
from tests.faults.arena import Arena
from tests.faults.epilogues import recreate_topic, truncate_topic
from tests.faults.kinds import deck, long_outage
from tests.faults.lane import Shape, Tally, open_lane

_SEED_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """What one round does; the same plan does the same again, down to the moments of its kills."""

    seed: int
    number: int
    events: int
    faults: int
    outage_seconds: tuple[float, float] = (1.0, 2.0)
    long_outage_seconds: float = 0.0
    verbose: bool = False


def run_round(arena: Arena, plan: Plan, folder: Path) -> Tally:
    """Run it and check the laws. Raises `BrokenLawError`, or whatever went wrong with it."""
    seed = random.Random(f"round {plan.seed} {plan.number}").getrandbits(_SEED_BITS)
    kinds = deck(plan.seed, plan.number, plan.faults)
    shape = Shape.drawn(seed, plan.events, len(kinds))
    began = monotonic_seconds()

    def say(what: str) -> None:
        if plan.verbose:
            sys.stderr.write(f"{monotonic_seconds() - began:7.2f} {what}\n")

    with open_lane(arena, shape, folder) as lane:
        lane.outage_seconds = plan.outage_seconds
        lane.long_outage_seconds = plan.long_outage_seconds
        say(f"{shape}")
        if plan.long_outage_seconds:
            long_outage(lane)
        for kind in kinds:
            lane.feed()
            kind(lane)
            say(f"{sum(lane.tally.crashes.values())} crashes, {dict(lane.tally.faults)}")
        lane.settle()
        say("settled")
        lane.check()
        say("checked")
        epilogue = lane.rng.choice((recreate_topic, truncate_topic))
        epilogue(lane)
        say(epilogue.__name__)
        lane.tally.notes["rounds"] += 1
        return lane.tally
