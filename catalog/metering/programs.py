"""What the meters of each plan do with an event, in the flat form that the kernel reads.

A plan has values (numbers computed from its slots), texts (of `unique_count`) and views (a filter
with dimensions). Values and filters are instructions for a stack, in postfix order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from catalog.metering.decimals import SCALE
from catalog.metering.expressions import INSTRUCTIONS_MAX, Expression, Path, parse_path
from catalog.metering.filters import COMPARISONS, TESTS_MAX, Filter
from catalog.metering.json_paths import Ints, Paths, compile_paths, ends_of
from core.json_text import Bytes

PATH, CONSTANT, ADD, SUBTRACT, MULTIPLY, NEGATE, CEIL, FLOOR, COALESCE, LEAST, GREATEST = range(11)
"""Instructions of values. PATH pushes a slot, CONSTANT a constant."""

AND, OR, ONE_OF, NONE_OF, EXISTS, LACKS, ABOVE, FROM, BELOW, UP_TO, PREFIX = range(11)
"""Instructions of filters. ONE_OF and NONE_OF test a slot for a range of operands."""

STACK_MAX: Final = max(INSTRUCTIONS_MAX, TESTS_MAX)

_CODES: Final = {
    "path": PATH, "number": CONSTANT, "add": ADD, "subtract": SUBTRACT, "multiply": MULTIPLY,
    "negate": NEGATE, "ceil": CEIL, "floor": FLOOR, "coalesce": COALESCE, "min": LEAST,
    "max": GREATEST,
}  # fmt: skip
_TESTS: Final = {
    "equals": ONE_OF, "in": ONE_OF, "not_in": NONE_OF, "gt": ABOVE, "gte": FROM, "lt": BELOW,
    "lte": UP_TO, "prefix": PREFIX,
}  # fmt: skip

View = tuple[Filter | None, tuple[tuple[str, str], ...]]


class Programs(NamedTuple):
    """All plans. Slots are numbered within their plan; `x_ends[i] : x_ends[i + 1]` is x of i.

    plan_values, plan_texts, plan_views: which values, texts and views a plan has, numbered over all
    plans; view 0 of a plan, which takes every event, is not among them. steps: (n, 2) instruction
    and operand. tests: (n, 4) instruction, slot, and the first and last operand. constants: (n, 3)
    limbs. text_slots: slot of each text. dimension_slots: slots of the dimensions of each view.
    numbers: 1 for each slot (over all plans) that is read as a number.
    """

    plan_values: Ints
    plan_texts: Ints
    plan_views: Ints
    value_ends: Ints
    steps: Ints
    text_slots: Ints
    test_ends: Ints
    tests: Ints
    dimension_ends: Ints
    dimension_slots: Ints
    constants: Ints
    operand_ends: Ints
    operand_bytes: Bytes
    numbers: Bytes


@dataclass(slots=True)
class Plan:
    """What one (tenant, event type) needs, while meters are added to it."""

    views: list[View] = field(default_factory=lambda: [(None, ())])
    values: list[Expression] = field(default_factory=list)
    texts: list[Path] = field(default_factory=list)


@dataclass(slots=True)
class _Build:
    """The parts of `Programs` while they grow."""

    constants: list[tuple[int, int, int]] = field(default_factory=list)
    operands: list[bytes] = field(default_factory=list)
    steps: list[list[tuple[int, int]]] = field(default_factory=list)
    tests: list[list[tuple[int, int, int, int]]] = field(default_factory=list)
    dimensions: list[list[int]] = field(default_factory=list)
    text_slots: list[int] = field(default_factory=list)
    paths: list[list[Path]] = field(default_factory=list)
    numbers: list[set[int]] = field(default_factory=list)

    def plan(self, plan: Plan) -> None:
        """Add a plan."""
        self.paths.append([])
        self.numbers.append(set())
        for expression in plan.values:
            self._value(expression)
        self.text_slots += [self._slot(path) for path in plan.texts]
        for chosen, dimensions in plan.views[1:]:
            tests: list[tuple[int, int, int, int]] = []
            if chosen is not None:
                self._filter(chosen, tests)
            self.tests.append(tests)
            self.dimensions.append([self._slot(parse_path(path)) for _, path in dimensions])

    def _slot(self, path: Path, *, number: bool = False) -> int:
        slots = self.paths[-1]
        if path not in slots:
            slots.append(path)
        slot = slots.index(path)
        if number:
            self.numbers[-1].add(slot)
        return slot

    def _constant(self, number: Decimal) -> int:
        scaled = int(number.scaleb(SCALE))
        middle, low = divmod(scaled, 10**9)
        high, middle = divmod(middle, 10**9)
        self.constants.append((high, middle, low))
        return len(self.constants) - 1

    def _value(self, expression: Expression) -> None:
        steps = []
        for step in expression.instructions:
            operand = 0
            if step.operation == "path":
                operand = self._slot(step.path, number=True)
            elif step.operation == "number":
                operand = self._constant(step.number)
            steps.append((_CODES[step.operation], operand))
        self.steps.append(steps)

    def _filter(self, chosen: Filter, tests: list[tuple[int, int, int, int]]) -> None:
        if chosen.parts:
            joined = AND if chosen.operation == "and" else OR
            for number, part in enumerate(chosen.parts):
                self._filter(part, tests)
                if number:
                    tests.append((joined, 0, 0, 0))
            return
        slot = self._slot(chosen.path, number=chosen.operation in COMPARISONS)
        if chosen.operation == "exists":
            tests.append((EXISTS if chosen.expected else LACKS, slot, 0, 0))
            return
        code = _TESTS[chosen.operation]
        if chosen.operation in COMPARISONS:
            tests.append((code, slot, self._constant(chosen.number), 0))
            return
        first = len(self.operands)
        self.operands += [text.encode() for text in chosen.texts]
        tests.append((code, slot, first, len(self.operands)))


def compile_programs(plans: Sequence[Plan]) -> tuple[Paths, Programs]:
    """Flatten plans."""
    build = _Build()
    for plan in plans:
        build.plan(plan)
    flags = [
        [slot in numbers for slot in range(len(paths))]
        for paths, numbers in zip(build.paths, build.numbers, strict=True)
    ]
    programs = Programs(
        plan_values=ends_of([len(plan.values) for plan in plans]),
        plan_texts=ends_of([len(plan.texts) for plan in plans]),
        plan_views=ends_of([len(plan.views) - 1 for plan in plans]),
        value_ends=ends_of([len(steps) for steps in build.steps]),
        steps=_table([step for steps in build.steps for step in steps], 2),
        text_slots=np.array(build.text_slots, np.int64),
        test_ends=ends_of([len(tests) for tests in build.tests]),
        tests=_table([test for tests in build.tests for test in tests], 4),
        dimension_ends=ends_of([len(slots) for slots in build.dimensions]),
        dimension_slots=np.array([s for slots in build.dimensions for s in slots], np.int64),
        constants=_table(build.constants, 3),
        operand_ends=ends_of([len(operand) for operand in build.operands]),
        operand_bytes=np.frombuffer(b"".join(build.operands), np.uint8),
        numbers=np.array([flag for plan in flags for flag in plan], np.uint8),
    )
    return compile_paths(build.paths), programs


def _table(rows: Sequence[tuple[int, ...]], width: int) -> Ints:
    return np.array(rows, np.int64).reshape(-1, width)
