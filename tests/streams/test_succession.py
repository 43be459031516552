from __future__ import annotations

import pytest

from streams.generation import Generation
from streams.succession import End, Succession

HORIZON_SECONDS = 35 * 24 * 3600
GENERATIONS = tuple(
    Generation(number, f"usage.events.{number}", f"id-{number}", number + 1, 64, HORIZON_SECONDS)
    for number in (1, 2, 3)
)


@pytest.mark.parametrize(
    ("ends", "reading"),
    [
        ([], 1),
        ([End(1, 0, 5)], 1),
        ([End(1, 0, 5), End(1, 1, 1)], 2),
        ([End(2, 0, 5), End(2, 1, 5), End(2, 2, 5)], 1),
        ([End(1, 0, 5), End(1, 1, 1), End(2, 0, 5), End(2, 1, 5)], 2),
        ([End(1, 0, 5), End(1, 1, 1), End(2, 0, 5), End(2, 1, 5), End(2, 2, 1)], 3),
    ],
    ids=["new", "half", "one-ended", "later-one-ended", "second-half", "both-ended"],
)
def test_a_generation_is_read_once_every_partition_of_those_before_has_ended(
    ends: list[End], reading: int
) -> None:
    found = Succession(GENERATIONS, tuple(ends))
    assert found.reading.number == reading
    assert [generation.number for generation in found.retired] == list(range(1, reading))
    assert found.newest.number == 3
    assert found.ended_partitions(1) == len([end for end in ends if end.generation == 1])


def test_the_newest_generation_is_read_to_no_end() -> None:
    only = GENERATIONS[:1]
    assert Succession(only, (End(1, 0, 5), End(1, 1, 5))).reading == only[0]
