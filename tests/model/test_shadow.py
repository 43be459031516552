from __future__ import annotations

from tests.model import schedules
from tests.model.shadow import shadowed

SCHEDULES = 150


def test_the_worker_decides_as_the_model_does(seed: int) -> None:
    with shadowed():
        for each in range(seed, seed + SCHEDULES):
            wrong = schedules.run(schedules.make(each))
            assert not wrong, (each, wrong)
