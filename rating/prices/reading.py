"""Parameters as written, read one by one: what is wrong is named by its path and its fix."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from rating.errors import PriceParameterError
from rating.exact import LIMB

PRICE_LIMIT: Final = 10**15
"""Amounts in parameters stay below this many currency units."""

QUANTITY_LIMIT: Final = 10**26
"""Bounds and sizes in parameters stay below: a quantity has 26 digits before the point."""

_DECIMAL_TEXT: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)


class Fields:
    """One table of parameters. Every field is asked for once; `done` refuses those left over."""

    def __init__(self, content: Mapping[str, Any], path: str = "") -> None:
        if not isinstance(content, Mapping):
            raise PriceParameterError(path, f"expected a table of fields, got {content!r}")
        self._content = content
        self._path = path
        self._known: list[str] = []

    def path(self, field: str) -> str:
        """How an error names a field: `tiers[1].up_to`."""
        return f"{self._path}.{field}" if self._path else field

    def has(self, field: str) -> bool:
        """Whether the field is written; null is as good as nothing."""
        if field not in self._known:
            self._known.append(field)
        return self._content.get(field) is not None

    def decimal(self, field: str, default: str | None = None) -> Decimal:
        """A decimal that is not negative, exact as written."""
        if not self.has(field):
            if default is None:
                raise PriceParameterError(
                    self.path(field), 'missing; give a decimal in quotes such as "0.50"'
                )
            return Decimal(default)
        value = self._content[field]
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not _DECIMAL_TEXT.fullmatch(value):
            raise PriceParameterError(
                self.path(field), f'expected a decimal in quotes, "0.50", got {value!r}'
            )
        if Decimal(value) < 0:
            raise PriceParameterError(self.path(field), f"must not be negative, got {value}")
        return Decimal(value).copy_abs()

    def amount(self, field: str, default: str | None = None) -> int:
        """Currency units below 10^15, in units of 10^-12."""
        return self.units(field, self.decimal(field, default), PRICE_LIMIT)

    def quantity(self, field: str, default: str | None = None) -> int:
        """A quantity below 10^26, in units of 10^-12."""
        return self.units(field, self.decimal(field, default), QUANTITY_LIMIT)

    def size(self, field: str) -> int:
        """A quantity above zero, in units of 10^-12."""
        size = self.quantity(field)
        if not size:
            raise PriceParameterError(self.path(field), "must be above zero")
        return size

    def units(self, field: str, value: Decimal, limit: int) -> int:
        """A value below a limit that fits in 12 decimals, in units of 10^-12."""
        if value >= limit:
            power = len(str(limit)) - 1
            raise PriceParameterError(self.path(field), f"must be below 10^{power}, got {value:f}")
        numerator, denominator = value.as_integer_ratio()
        if LIMB % denominator:
            raise PriceParameterError(self.path(field), f"has more than 12 decimals: {value:f}")
        return numerator * (LIMB // denominator)

    def share(self, field: str, of: int) -> int:
        """A rate below 10^15 written in percent (`of` 100) or basis points, in units of 10^-12."""
        written = self.amount(field)
        share, rest = divmod(written, of)
        if rest:
            decimals = len(str(LIMB)) - len(str(of))
            raise PriceParameterError(
                self.path(field), f"has more than {decimals} decimals; leave them out"
            )
        return share

    def choice(self, field: str, options: Sequence[str], default: str | None = None) -> str:
        """One of some words; without a default it must be there."""
        value = self._content[field] if self.has(field) else default
        if value not in options:
            raise PriceParameterError(
                self.path(field), f"use one of {', '.join(options)}, got {value!r}"
            )
        return str(value)

    def count(self, field: str) -> int:
        """A whole number from 1 to 10^12."""
        value = self._content[field] if self.has(field) else None
        if type(value) is not int or not 1 <= value <= LIMB:
            raise PriceParameterError(
                self.path(field), f"give a whole number from 1 to 10^12, got {value!r}"
            )
        return value

    def integer(self, field: str, options: Sequence[int], default: int | None = None) -> int:
        """One of a range of whole numbers; without a default it must be there."""
        value = self._content[field] if self.has(field) else default
        if type(value) is not int or value not in options:
            raise PriceParameterError(
                self.path(field),
                f"give a whole number from {options[0]} to {options[-1]}, got {value!r}",
            )
        return value

    def instant(self, field: str) -> datetime:
        """An instant: RFC 3339 text or a datetime, with its offset; UTC."""
        value = self._content[field] if self.has(field) else None
        try:
            at = datetime.fromisoformat(value) if isinstance(value, str) else value
            if isinstance(at, datetime) and at.tzinfo is not None:
                return at.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise PriceParameterError(
            self.path(field),
            f'give an instant with its offset, "2024-01-01T00:00:00Z", got {value!r}',
        )

    def table(self, field: str) -> Fields:
        """A table of fields."""
        return Fields(self._content[field] if self.has(field) else {}, self.path(field))

    def tables(self, field: str, most: int) -> list[Fields]:
        """A list of 1 to `most` tables."""
        if not self.has(field):
            raise PriceParameterError(self.path(field), "missing; give a list of tables")
        value = self._content[field]
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= most:
            raise PriceParameterError(self.path(field), f"give a list of 1 to {most} tables")
        return [Fields(each, f"{self.path(field)}[{index}]") for index, each in enumerate(value)]

    def quantities(self, field: str) -> dict[str, int]:
        """A table of quantities by name, each above zero, in units of 10^-12."""
        value = self._content[field] if self.has(field) else None
        if not value:
            raise PriceParameterError(self.path(field), 'give a table such as { cpu = "10" }')
        inner = Fields(value, self.path(field))
        return {name: inner.size(name) for name in value}

    def name(self, field: str) -> str:
        """A name: a text that is not empty."""
        value = self._content[field] if self.has(field) else None
        if not isinstance(value, str) or not value:
            raise PriceParameterError(self.path(field), 'give a name such as "region"')
        return value

    def names(self, field: str, most: int) -> tuple[str, ...]:
        """1 to `most` different names, sorted: in this order their values make a group."""
        value = self._content[field] if self.has(field) else None
        texts = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        if not texts or not 1 <= len(value) <= most or len(set(value)) < len(value):  # type: ignore[arg-type]  # a list by now
            raise PriceParameterError(
                self.path(field), f'give a list of 1 to {most} different names such as ["region"]'
            )
        return tuple(sorted(value))  # type: ignore[arg-type]  # as above

    def group(self, field: str, names: Sequence[str]) -> str:
        """A table of one text for each name, as the group that they make."""
        if not self.has(field):
            raise PriceParameterError(self.path(field), "missing; " + _group_example(names))
        return Fields(self._content[field], self.path(field)).as_group(names)

    def as_group(self, names: Sequence[str]) -> str:
        """This table, if it is one text for each name, as the group that they make."""
        values = [self._content.get(name) for name in names]
        if len(self._content) != len(names) or not all(isinstance(each, str) for each in values):
            raise PriceParameterError(self._path, _group_example(names))
        return group_text([str(each) for each in values])

    def done(self) -> None:
        """Raise `PriceParameterError` for a field that nobody asked for."""
        for field in self._content:
            if field not in self._known:
                known = ", ".join(self._known)
                raise PriceParameterError(
                    self.path(field), f"unknown parameter; known here: {known}"
                )


def _group_example(names: Sequence[str]) -> str:
    return "give a text each: { " + ", ".join(f'{name} = "…"' for name in names) + " }"


def group_text(values: Sequence[str]) -> str:
    """The values of dimensions as usage has them: a JSON array without spaces."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))
