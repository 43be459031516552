"""Random schedules for the model of the data plane, and the smallest form of one that goes
wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random
from typing import Any

from tests.model.lanes import Lane, Writer
from tests.model.log import LEVELS
from tests.model.world import World


def some(kind: type[Any], world: World, rng: Random) -> list[Any]:
    """One writer of a kind, if there is one."""
    found = [writer for writer in world.writers if isinstance(writer, kind)]
    return rng.sample(found, min(1, len(found)))


STEPS: dict[
    str, tuple[int, Callable[[World, Random], Any]]
] = {  # weight, effect (nothing where it does not apply)
    "append": (30, lambda w, r: w.append(r)),
    "read": (25, lambda w, r: [lane.read(r.randint(1, 4)) for lane in some(Lane, w, r)]),
    "flush": (10, lambda w, r: [lane.flush() for lane in some(Lane, w, r)]),
    "write": (25, lambda w, r: [writer.write(r.randint(1, 3)) for writer in some(Writer, w, r)]),
    "assign": (10, lambda w, r: w.assign(r.choice(list(w.topics)), r.choice(w.catalogs[-2:]))),
    "kill worker": (
        3,
        lambda w, r: [(writer.half_write(r), writer.stop()) for writer in some(Writer, w, r)],
    ),
    "kill database": (
        2,
        lambda w, r: [writer.half_write(r) for writer in w.writers],
    ),  # they try again
    "power loss": (2, lambda w, r: w.lose_power(r)),
    "retention": (4, lambda w, r: w.retain(r)),
    "forget offsets": (2, lambda w, r: w.committed.clear()),
    "create topic again": (1, lambda w, r: w.create_topic(r.choice(list(w.bound)))),
    "next generation": (2, lambda w, r: w.create_topic(2) if 2 not in w.bound else None),
    "end generation": (4, lambda w, r: w.mark_end(r.choice(list(w.topics)))),
    "create meter": (5, lambda w, r: w.create_meter(r.randint(0, 1))),
    "learn catalog": (4, lambda w, r: [lane.learn(w.catalogs[-1]) for lane in some(Lane, w, r)]),
    "job": (
        15,
        lambda w, r: [
            w.job(part, r.randrange(LEVELS), run) for part in w.topics for run in range(4)
        ],
    ),
    "look": (5, lambda w, r: w.look()),
    "answer": (5, lambda w, r: w.answer(r.choice(w.looks[-3:]))),
}
Schedule = list[tuple[str, int]]


def make(seed: int) -> Schedule:
    """A random schedule; every schedule has its own mix of steps."""
    rng = Random(seed)
    weights = [weight * rng.choice((0, 1, 1, 3)) for weight, _ in STEPS.values()]
    return [
        (name, rng.randrange(1000))
        for name in rng.choices(list(STEPS), weights, k=rng.randint(5, 150))
    ]


def run(schedule: Schedule) -> str:
    """What was wrong, or nothing."""
    world = World()
    try:
        for name, seed in schedule:
            STEPS[name][1](world, Random(seed))
        world.settle()
        world.verify()
    except AssertionError as error:
        return str(error)
    return ""


def shrink(schedule: Schedule) -> Schedule:
    """Leave out steps while it still goes wrong."""
    for size in (64, 16, 4, 1, 1, 1):
        for start in range(len(schedule), -1, -size):
            shorter = schedule[:start] + schedule[start + size :]
            schedule = shorter if run(shorter) else schedule
    return schedule


def main() -> None:
    first, last = map(int, sys.argv[1:] or (0, 20_000))
    for seed in range(first, last):
        if run(make(seed)):
            smallest = shrink(make(seed))
            sys.exit(f"seed {seed}: {run(smallest)}\n" + "\n".join(map(str, smallest)))
    print(f"{last - first} schedules, nothing wrong")


if __name__ == "__main__":
    main()
