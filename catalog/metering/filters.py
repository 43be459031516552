"""Which events of its types a meter counts: tests on paths into `data`, joined by and / or.

| test | true where |
|---|---|
| `equals = "a"` | the text is this one |
| `in = ["a", "b"]`, `not_in = […]` | the text is one of these; `not_in` is the opposite of `in` |
| `exists = true` | something is there; `exists = false` is the opposite |
| `gt`, `gte`, `lt`, `lte = "100"` | a number, or text that is one, compares so |
| `prefix = "gpt-"` | the text begins so |

The *text* of a string is its content, that of a number, `true` or `false` what was sent: `1.0` does
not equal `"1"`. Objects and arrays have no text, and are no numbers, but they exist; a JSON `null`
is the same as nothing at all. Where there is no text, or no number for a comparison, a test is
false, only `not_in` is true. Comparisons are exact for every number that JSON can write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, cast

from catalog.metering.expressions import Path, fits, parse_path, path_text
from core.errors import ValidationError
from core.texts import check_text

Comparison = Literal["gt", "gte", "lt", "lte"]
Operation = Literal[
    "and", "or", "equals", "in", "not_in", "exists", "gt", "gte", "lt", "lte", "prefix"
]

COMPARISONS: Final = frozenset({"gt", "gte", "lt", "lte"})
TESTS_MAX: Final = 64
VALUES_MAX: Final = 256
VALUE_BYTES_MAX: Final = 256
_NESTING_MAX: Final = 8
_TESTS: Final = ("equals", "in", "not_in", "exists", "gt", "gte", "lt", "lte", "prefix")


@dataclass(frozen=True, slots=True)
class Filter:
    """A test, or filters joined by `and` or `or`.

    `parts` belong to and/or, the rest to tests: `path` to all of them, `texts` to equals, prefix
    (one) and in, not_in (sorted, each once), `number` to comparisons, `expected` to exists.
    """

    operation: Operation
    parts: tuple[Filter, ...] = ()
    path: Path = ()
    texts: tuple[str, ...] = ()
    number: Decimal = Decimal(0)
    expected: bool = True

    @property
    def tests(self) -> tuple[Filter, ...]:
        """The tests in it, from left to right."""
        return tuple(test for part in self.parts for test in part.tests) or (self,)

    def as_document(self) -> dict[str, object]:
        """The TOML and JSON form, which `filter_of` reads."""
        if self.parts:
            return {self.operation: [part.as_document() for part in self.parts]}
        operand: object = list(self.texts)
        if self.operation in {"equals", "prefix"}:
            operand = self.texts[0]
        elif self.operation == "exists":
            operand = self.expected
        elif self.operation in COMPARISONS:
            operand = f"{self.number:f}"
        return {"path": path_text(self.path), self.operation: operand}


def filter_of(document: object) -> Filter:
    """Read a filter. Raises `ValidationError` naming the place and the fix."""
    found = _read(document, "filter", 0)
    if len(found.tests) > TESTS_MAX:
        raise _refused("filter", f"has {len(found.tests)} tests, at most {TESTS_MAX} are allowed")
    return found


def _read(document: object, where: str, nesting: int) -> Filter:
    if not isinstance(document, Mapping):
        raise _refused(where, 'write a test such as { path = "model", in = ["a", "b"] }')
    if nesting > _NESTING_MAX:
        raise _refused(where, f"is nested over {_NESTING_MAX} deep")
    both: tuple[Operation, Operation] = ("and", "or")
    for joined in both:
        if joined in document:
            return _join(joined, document, where, nesting)
    operations = [name for name in document if name != "path"]
    if "path" not in document or len(operations) != 1 or operations[0] not in _TESTS:
        raise _refused(where, f"give a path and one of {', '.join(_TESTS)}; or and; or or")
    if not isinstance(document["path"], str):
        raise _refused(f"{where}.path", "give a path as text")
    path = parse_path(document["path"], f"{where}.path")
    operation = cast("Operation", operations[0])
    return _test(operation, path, document[operation], f"{where}.{operation}")


def _join(operation: Operation, document: Mapping[str, object], where: str, nesting: int) -> Filter:
    parts = document[operation]
    where = f"{where}.{operation}"
    if len(document) != 1:
        raise _refused(where, "nothing else may stand beside it; put the rest into its list")
    if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        raise _refused(where, "give a list of filters, one at least")
    return Filter(
        operation,
        tuple(_read(part, f"{where}[{at}]", nesting + 1) for at, part in enumerate(parts)),
    )


def _test(operation: Operation, path: Path, operand: object, where: str) -> Filter:
    if operation == "exists":
        if not isinstance(operand, bool):
            raise _refused(where, "give true or false")
        return Filter(operation, path=path, expected=operand)
    if operation in COMPARISONS:
        return Filter(operation, path=path, number=_number(operand, where))
    if operation in {"equals", "prefix"}:
        return Filter(operation, path=path, texts=(_text(operand, where),))
    if not isinstance(operand, Sequence) or isinstance(operand, str) or not operand:
        raise _refused(where, "give a list of values, one at least")
    texts = {_text(value, f"{where}[{at}]") for at, value in enumerate(operand)}
    if len(texts) > VALUES_MAX:
        raise _refused(where, f"has {len(texts)} values, at most {VALUES_MAX} are allowed")
    return Filter(operation, path=path, texts=tuple(sorted(texts)))


def _text(value: object, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        raise _refused(where, f'write the number in quotes, "{value}", as it is sent')
    text = check_text(str(value) if isinstance(value, int) else value, where)
    if len(text.encode()) > VALUE_BYTES_MAX:
        raise _refused(where, f"give text of at most {VALUE_BYTES_MAX} bytes")
    return text


def _number(value: object, where: str) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str | int) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not fits(number):
        raise _refused(where, 'give a number in quotes, such as "100" or "0.5", below 10^15')
    return Decimal(f"{number.normalize():f}") + 0


def _refused(where: str, problem: str) -> ValidationError:
    return ValidationError(f"{where}: {problem}", field=where)
