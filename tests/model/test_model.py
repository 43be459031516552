from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from unittest.mock import patch

import pytest

from tests.model import schedules
from tests.model.leave_out import LEFT_OUT

SCHEDULES = 1_500
RARE = {"back-fill of complete chunks": 17_360, "open chunk is read from usage_events": 1_165}
"""The first schedules that show some rules, where finding them again would take long."""

NEEDED = [name for name in LEFT_OUT if not name.startswith("CHOICE")]


def test_the_rules_are_sufficient_for_any_schedule(seed: int) -> None:
    for each in range(seed, seed + SCHEDULES):
        wrong = schedules.run(schedules.make(each))
        assert not wrong, f"python -m tests.model.schedules {each} {each + 1}: {wrong}"


@pytest.mark.parametrize("name", NEEDED)
def test_no_rule_can_be_left_out(name: str) -> None:
    """Without the rule some schedule goes wrong; with it the very same one does not."""
    for each in count(RARE.get(name, 0)):
        assert each < 20_000, "no schedule shows what the rule is for"
        with ExitStack() as stack:
            for target, attribute, replacement in LEFT_OUT[name]:
                stack.enter_context(patch.object(target, attribute, replacement))
            wrong = schedules.run(schedules.make(each))
        if wrong:
            assert not schedules.run(schedules.make(each))
            return


@pytest.mark.parametrize("name", [name for name in LEFT_OUT if name not in NEEDED])
def test_a_choice_may_be_made_otherwise(name: str) -> None:
    with ExitStack() as stack:
        for target, attribute, replacement in LEFT_OUT[name]:
            stack.enter_context(patch.object(target, attribute, replacement))
        for each in range(300):
            assert not schedules.run(schedules.make(each)), each
