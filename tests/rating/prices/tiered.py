"""What models with tiers are tried with alike: each refuses the same mistakes by the same path."""

from __future__ import annotations

from typing import Any, Final

NO_TIERS: Final[list[tuple[dict[str, Any], str]]] = [
    ({}, "tiers: missing"),
    ({"tiers": []}, "tiers: give a list of 1 to 1000"),
    ({"tiers": "x"}, "tiers: give a list"),
    ({"tiers": ["x"]}, r"tiers\[0\]: expected a table"),
]

BAD_SIZES: Final[list[tuple[dict[str, Any], str]]] = [
    *NO_TIERS,
    ({"tiers": [{"unit_amount": "1"}]}, r"tiers\[0\].size: missing"),
    ({"tiers": [{"unit_amount": "1", "size": "0"}]}, r"tiers\[0\].size: must be above zero"),
]

EXAMPLES: Final[list[dict[str, Any]]] = [
    {
        "tiers": [
            {"up_to": "5", "unit_amount": "7", "flat_amount": "1"},
            {"up_to": "10.5", "unit_amount": "6.5"},
            {"unit_amount": "6", "flat_amount": "0.000000000001"},
        ]
    },
    {"tiers": [{"flat_amount": "3"}], "group_by": ["region"]},
]
"""With a price for each unit, a flat amount, or both."""

SIZED_EXAMPLES: Final[list[dict[str, Any]]] = [
    {
        "tiers": [
            {"up_to": "1000", "size": "100", "unit_amount": "1"},
            {"size": "1000", "unit_amount": "1", "flat_amount": "0.5"},
        ]
    },
    {
        "tiers": [
            {"up_to": "150", "size": "100", "unit_amount": "1"},
            {"size": "7.5", "flat_amount": "1"},
        ]
    },
]

BAD: Final[list[tuple[dict[str, Any], str]]] = [
    *NO_TIERS,
    (
        {"tiers": [{"unit_amount": "1", "up_to": "5"}]},
        r"tiers\[0\].up_to: the last tier must be",
    ),
    ({"tiers": [{"unit_amount": "1"}, {"unit_amount": "1"}]}, r"tiers\[0\].up_to: missing"),
    (
        {
            "tiers": [
                {"unit_amount": "1", "up_to": "5"},
                {"unit_amount": "1", "up_to": "5"},
                {"unit_amount": "1"},
            ]
        },
        r"tiers\[1\].up_to: must be above that of the tier before",
    ),
    ({"tiers": [{"unit_amount": "1", "up_to": "0"}]}, r"tiers\[0\].up_to: the last tier"),
    ({"tiers": [{}]}, r"tiers\[0\].unit_amount: missing"),
    ({"tiers": [{"unit_amount": 0.5}]}, r"tiers\[0\].unit_amount: expected a decimal"),
    ({"tiers": [{"unit_amount": "1", "amount": "2"}]}, r"tiers\[0\].amount: unknown parameter"),
    ({"tiers": [{"flat_amount": "1"}], "group_by": []}, "group_by: give a list of 1 to 3"),
    (
        {"tiers": [{"flat_amount": "1"}], "group_by": ["a"], "groups": [{"b": "x"}]},
        r"groups\[0\]: give a text each: { a = ",
    ),
    (
        {
            "tiers": [{"flat_amount": "1"}],
            "group_by": ["a"],
            "groups": [{"a": "x"}, {"a": "x"}],
        },
        "groups: lists a group twice",
    ),
]
