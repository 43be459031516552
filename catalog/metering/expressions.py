"""The language of a meter's value: paths, decimals, `+ - *`, ceil, floor, coalesce, min, max.

An expression is parsed to a list of instructions for a stack, in postfix order, and has one
canonical text: two meters that say the same in other spacing are the same.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from catalog.metering.decimals import INTEGER_DIGITS_MAX, SCALE
from core.errors import ValidationError
from core.texts import check_text

PATH_STEPS_MAX: Final = 8
STEP_BYTES_MAX: Final = 128
TEXT_BYTES_MAX: Final = 1024
INSTRUCTIONS_MAX: Final = 64
PATHS_MAX: Final = 16
_NESTING_MAX: Final = 16
_PRECEDENCE: Final = {"add": 1, "subtract": 1, "multiply": 2, "negate": 3}
_SIGNS: Final = {"add": "+", "subtract": "-", "multiply": "*"}
_ATOM: Final = 4

Path = tuple[str, ...]
Operation = Literal[
    "path", "number", "add", "subtract", "multiply", "negate",
    "ceil", "floor", "coalesce", "min", "max",
]  # fmt: skip

_FUNCTIONS: Final[dict[str, Operation]] = {
    "ceil": "ceil",
    "floor": "floor",
    "coalesce": "coalesce",
    "min": "min",
    "max": "max",
}
_ONE_ARGUMENT: Final = frozenset({"ceil", "floor"})
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r'|(?P<string>"(?:[^"\\]|\\.)*")|(?P<sign>[-+*(),.]))',
    re.ASCII,
)


class Instruction(NamedTuple):
    """One step: `path` and `number` push their operand, the others replace what lies on top.

    The functions of two arguments are folded: `min(a, b, c)` is a, b, min, c, min.
    """

    operation: Operation
    path: Path = ()
    number: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: its canonical text, and what to do."""

    text: str
    instructions: tuple[Instruction, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths it reads, each once, in the order of their first use."""
        return tuple(dict.fromkeys(step.path for step in self.instructions if step.path))

    @property
    def path(self) -> Path | None:
        """The path that the expression is, or None where it computes something."""
        return self.instructions[0].path if len(self.instructions) == 1 and self.paths else None


class _Node(NamedTuple):
    """A part of an expression: how tightly it binds, its text and its instructions."""

    binding: int
    text: str
    steps: tuple[Instruction, ...]

    def inside(self, binding: int) -> str:
        """Its text as an operand of something that binds as tightly as `binding`."""
        return self.text if self.binding >= binding else f"({self.text})"


def parse_expression(text: str, field: str = "value") -> Expression:
    """Parse an expression. Raises `ValidationError` that names what is wrong and where."""
    if len(check_text(text, field).encode()) > TEXT_BYTES_MAX:
        raise ValidationError(f"{field}: longer than {TEXT_BYTES_MAX} bytes", field=field)
    parser = _Parser(text, field)
    node = parser.sum(0)
    parser.end()
    expression = Expression(node.text, node.steps)
    if len(node.steps) > INSTRUCTIONS_MAX or len(expression.paths) > PATHS_MAX:
        raise ValidationError(
            f"{field}: {text!r} has over {PATHS_MAX} paths or {INSTRUCTIONS_MAX} steps",
            field=field,
        )
    return expression


def parse_path(text: str, field: str = "value") -> Path:
    """`usage."input-tokens"` → `("usage", "input-tokens")`. Raises `ValidationError`."""
    path = parse_expression(text, field).path
    if path is None:
        raise ValidationError(
            f'{field}: {text!r} is not a path into data such as "usage.tokens"', field=field
        )
    return path


def path_text(path: Path) -> str:
    """The canonical text of a path: what `parse_path` reads."""
    return ".".join(
        step if _IDENTIFIER.fullmatch(step) else json.dumps(step, ensure_ascii=False)
        for step in path
    )


def fits(number: Decimal) -> bool:
    """Whether a value may be this number: below 10^15 in magnitude, at most 12 decimals."""
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        return False
    many = max((place for place, digit in enumerate(digits, start=1) if digit), default=0)
    exponent += len(digits) - many
    return not many or (many + exponent <= INTEGER_DIGITS_MAX and exponent >= -SCALE)


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, field: str) -> None:
        self._text, self._field, self._at = text, field, 0
        self._kind = self._word = ""
        self._advance()

    def _advance(self) -> None:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            if self._text[self._at :].strip():
                raise self._error("cannot be read")
            self._kind = "end"
            return
        self._at = found.end()
        self._kind = str(found.lastgroup)
        self._word = found[self._kind]

    def _error(self, problem: str) -> ValidationError:
        before = self._text[: self._at].strip()
        where = f"after {before!r}" if before else "at its beginning"
        return ValidationError(
            f'{self._field}: {self._text!r} {problem} {where}; write something like "usage.input'
            ' + 3 * usage.output", keys other than names in double quotes',
            field=self._field,
        )

    def _take(self, sign: str) -> bool:
        if self._kind == "sign" and self._word == sign:
            self._advance()
            return True
        return False

    def end(self) -> None:
        """Refuse what follows a whole expression."""
        if self._kind != "end":
            raise self._error("does not end")

    def sum(self, nesting: int) -> _Node:
        """Terms joined by + and -."""
        left = self._product(nesting)
        while self._kind == "sign" and self._word in "+-":
            operation: Operation = "add" if self._word == "+" else "subtract"
            self._advance()
            left = _binary(operation, left, self._product(nesting))
        return left

    def _product(self, nesting: int) -> _Node:
        left = self._factor(nesting)
        while self._take("*"):
            left = _binary("multiply", left, self._factor(nesting))
        return left

    def _factor(self, nesting: int) -> _Node:
        if nesting > _NESTING_MAX:
            raise self._error(f"is nested over {_NESTING_MAX} deep")
        if self._take("-"):
            of = self._factor(nesting + 1)
            steps = (*of.steps, Instruction("negate"))
            binding = _PRECEDENCE["negate"]
            return _Node(binding, f"-{of.inside(binding)}", steps)
        if self._take("("):
            node = self.sum(nesting + 1)
            if not self._take(")"):
                raise self._error('misses a ")"')
            return node
        if self._kind == "number":
            return self._number()
        if self._kind in {"name", "string"}:
            return self._name(nesting)
        raise self._error("needs a path, a number or a function")

    def _number(self) -> _Node:
        number = Decimal(self._word)
        if not fits(number):
            raise self._error("has a number of more than 15 digits or 12 decimals")
        self._advance()
        text = f"{number.normalize():f}"
        return _Node(_ATOM, text, (Instruction("number", number=Decimal(text)),))

    def _name(self, nesting: int) -> _Node:
        kind, name = self._kind, self._word
        self._advance()
        if kind == "name" and self._take("("):
            return self._call(name, nesting)
        steps = [self._step(kind, name)]
        while self._take("."):
            if self._kind not in {"name", "string"}:
                raise self._error("has a path without a key")
            steps.append(self._step(self._kind, self._word))
            self._advance()
        if len(steps) > PATH_STEPS_MAX:
            raise self._error(f"has a path of over {PATH_STEPS_MAX} steps")
        path = tuple(steps)
        return _Node(_ATOM, path_text(path), (Instruction("path", path),))

    def _step(self, kind: str, token: str) -> str:
        try:
            step = str(json.loads(token)) if kind == "string" else token
            size = len(step.encode())
        except ValueError:
            raise self._error("has a key that is no JSON string") from None
        if not 1 <= size <= STEP_BYTES_MAX:
            raise self._error(f"has a key that is not 1 to {STEP_BYTES_MAX} bytes")
        return step

    def _call(self, name: str, nesting: int) -> _Node:
        if name not in _FUNCTIONS:
            raise self._error(f"calls {name!r}; there are {', '.join(_FUNCTIONS)}")
        operation = _FUNCTIONS[name]
        arguments = [self.sum(nesting + 1)]
        while self._take(","):
            arguments.append(self.sum(nesting + 1))
        if not self._take(")"):
            raise self._error('misses a ")"')
        one = operation in _ONE_ARGUMENT
        if one != (len(arguments) == 1):
            raise self._error(f"gives {name} {'more than one argument' if one else 'only one'}")
        steps = arguments[0].steps if not one else (*arguments[0].steps, Instruction(operation))
        for argument in arguments[1:]:
            steps = (*steps, *argument.steps, Instruction(operation))
        return _Node(_ATOM, f"{name}({', '.join(each.text for each in arguments)})", steps)


def _binary(operation: Operation, left: _Node, right: _Node) -> _Node:
    binding = _PRECEDENCE[operation]
    # a - (b + c) keeps its parentheses, and so does a + (b + c): the order of steps is the text's.
    text = f"{left.inside(binding)} {_SIGNS[operation]} {right.inside(binding + 1)}"
    return _Node(binding, text, (*left.steps, *right.steps, Instruction(operation)))
