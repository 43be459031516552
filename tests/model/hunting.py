"""Leave one rule out, and show the smallest schedule that then goes wrong.

python -m tests.model.hunting [WORDS...] [--schedules N]: rules whose name holds one of the words.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from random import Random
from typing import Any
from unittest.mock import patch

from tests.model import schedules
from tests.model.lanes import Lane
from tests.model.leave_out import LEFT_OUT
from tests.model.world import World


def trace(schedule: schedules.Schedule) -> None:
    """Tell what every step of a schedule changes."""
    world = World()

    def state() -> dict[str, Any]:
        told: dict[str, Any] = {
            f"log {tuple(p)} {i}": r for p, log in world.topics.items() for i, r in enumerate(log)
        }
        told |= {
            f"lane {tuple(w.part)} at {w.offset} catalog {w.catalog} #{id(w) % 997}": ""
            for w in world.writers
            if isinstance(w, Lane)
        }
        for name in ("events", "usage", "ledger"):
            for key, rows in getattr(world, name).rows.items():
                told |= {
                    f"{name} {key} version {version} (insert {serial})": value
                    for version, serial, value in rows
                }
        told |= {f"committed {tuple(p)}": at for p, at in world.committed.items()}
        told |= {f"log {tuple(p)} starts at": at for p, at in world.first.items()}
        told |= {f"look {i}": look.cut for i, look in enumerate(world.looks)}
        told |= {f"claim {i}": claim for i, claim in enumerate(world.claims)}
        return told | {"catalogs": list(world.catalogs)}

    before = state()
    for name, seed in [*schedule, ("settle", 0)]:
        try:
            schedules.STEPS[name][1](world, Random(seed)) if name != "settle" else world.settle()
        except AssertionError as error:
            print("        !", error)
        after = state()
        print(f"      {name}")
        for key in before.keys() - after.keys():
            print("          -", key)
        for key in sorted(key for key in after if key not in before or before[key] != after[key]):
            print("          +", key, after[key])
        before = after


def hunt(name: str, count: int, wanted: int, without: list[str], holding: str, told: bool) -> None:
    found, smallest = 0, None
    with ExitStack() as stack:
        for target, attribute, replacement in LEFT_OUT[name]:
            stack.enter_context(patch.object(target, attribute, replacement))
        steps = {step: effect for step, effect in schedules.STEPS.items() if step not in without}
        stack.enter_context(patch.object(schedules, "STEPS", steps))
        plain_run = schedules.run
        stack.enter_context(
            patch.object(schedules, "run", lambda s: e if holding in (e := plain_run(s)) else "")
        )
        for seed in range(count):
            schedule = schedules.make(seed)
            if schedules.run(schedule):
                found += 1
                if found <= wanted:
                    schedule = schedules.shrink(schedule)
                    smallest = min(smallest or schedule, schedule, key=len)
        print(f"\n{name}: {found} of {count} go wrong")
        if smallest:
            print("   ", schedules.run(smallest))
            print("   ", smallest, flush=True)
            if told:
                trace(smallest)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--schedules", type=int, default=3000)
    parser.add_argument("--shrink", type=int, default=40, help="how many to make small")
    parser.add_argument("--without", nargs="*", default=[], help="steps that are not taken")
    parser.add_argument("--holding", default="", help="only violations whose text holds this")
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args()
    for name in LEFT_OUT:
        if not options.words or any(word in name for word in options.words):
            hunt(
                name,
                options.schedules,
                options.shrink,
                options.without,
                options.holding,
                options.trace,
            )
