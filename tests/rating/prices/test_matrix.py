from __future__ import annotations

import json
import random
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from rating.errors import UnpricedGroupError
from tests.rating import oracle
from tests.rating.builders import Used, exact_amounts, price, rate_each
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import AMOUNTS, GROUPS, QUANTITIES


def _matrix(amounts: list[str], default: str | None) -> dict[str, Any]:
    cells = [
        {"values": {"region": json.loads(group)[0]}, "unit_amount": amount}
        for group, amount in zip(GROUPS, amounts, strict=False)
    ]
    written: dict[str, Any] = {"dimensions": ["region"], "cells": cells}
    return written if default is None else written | {"default": default}


class TestMatrix(PriceModelContract):
    name = "matrix"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {
            "dimensions": ["region"],
            "cells": [
                {"values": {"region": "eu"}, "unit_amount": "0.5"},
                {"values": {"region": "us"}, "unit_amount": "0.25"},
            ],
            "default": "0.1",
        },
        {
            "dimensions": ["region"],
            "cells": [{"values": {"region": "eu"}, "unit_amount": "0.000000000001"}],
            "default": "0",
        },
    ]
    parameters = st.builds(
        _matrix, st.lists(AMOUNTS, min_size=1, max_size=len(GROUPS)), st.none() | AMOUNTS
    )
    takes_groups = False
    monotone = False
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({}, "dimensions: give a list of 1 to 3 different names"),
        ({"dimensions": ["a", "b", "c", "d"]}, "dimensions: give a list of 1 to 3"),
        ({"dimensions": ["a", "a"]}, "dimensions: give a list of 1 to 3 different"),
        ({"dimensions": ["a"]}, "cells: missing"),
        ({"dimensions": ["a"], "cells": [{}]}, r"cells\[0\].values: missing; give a text each"),
        (
            {"dimensions": ["a"], "cells": [{"values": {"b": "x"}, "unit_amount": "1"}]},
            r"cells\[0\].values: give a text each: { a = ",
        ),
        (
            {"dimensions": ["a"], "cells": [{"values": {"a": "x"}}]},
            r"cells\[0\].unit_amount: missing",
        ),
        (
            {"dimensions": ["a"], "cells": [{"values": {"a": "x"}, "unit_amount": "1"}] * 2},
            r"cells\[1\].values: stands in a cell before",
        ),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        del quantity, parameters
        raise AssertionError("a matrix is for groups")

    def exact_used(self, used: Used, parameters: Mapping[str, Any]) -> list[Fraction]:
        cells = [
            oracle.matrix_cell(Fraction(quantity), parameters, group)
            for group, quantity in used.items()
        ]
        return [cell for cell in cells if cell is not None]

    def used(self, parameters: dict[str, Any]) -> st.SearchStrategy[Used]:
        known = GROUPS if "default" in parameters else GROUPS[: len(parameters["cells"])]
        small = QUANTITIES.filter(lambda quantity: abs(quantity) < 10**25)
        return st.dictionaries(st.sampled_from(known), small, max_size=len(known))

    def some_usage(self, parameters: Mapping[str, Any], draw: random.Random) -> Used:
        del parameters
        return {group: Decimal(draw.randrange(-50, 5_000)) / 10 for group in GROUPS}


def test_a_combination_without_a_cell_or_a_default_is_refused_with_its_name() -> None:
    cell = {"values": {"size": "xl", "region": "eu"}, "unit_amount": "2"}
    one = price("matrix", {"dimensions": ["size", "region"], "cells": [cell]})
    # The values of a group stand in the order of the names: region, size.
    rated = rate_each([one], [{'["eu","xl"]': Decimal(3)}])
    assert exact_amounts(rated) == [Fraction(6)]
    with pytest.raises(UnpricedGroupError, match=r'sub-0000/.*/line \["xl","eu"\]; add a cell'):
        rate_each([one], [{'["xl","eu"]': Decimal(3)}])
