"""How often something recurs: a count of days, weeks, months, quarters or years."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from core.errors import ValidationError

IntervalUnit = Literal["day", "week", "month", "quarter", "year"]

YEARS_MAX: Final = 10
"""An interval lasts ten years at most."""

_DAYS: Final[dict[IntervalUnit, int]] = {"day": 1, "week": 7}
_MONTHS: Final[dict[IntervalUnit, int]] = {"month": 1, "quarter": 3, "year": 12}
_PER_YEAR: Final[dict[IntervalUnit, int]] = {
    "day": 366,
    "week": 52,
    "month": 12,
    "quarter": 4,
    "year": 1,
}
_NAMES: Final[dict[str, IntervalUnit]] = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
}
_PLURALS: Final[dict[str, IntervalUnit]] = {f"{unit}s": unit for unit in get_args(IntervalUnit)}
_LASTING: Final = re.compile(r"P([1-9][0-9]{0,3})([DWMY])")
_LETTERS: Final[dict[str, IntervalUnit]] = {"D": "day", "W": "week", "M": "month", "Y": "year"}
_EVERY: Final = re.compile(rf"every ([1-9][0-9]{{0,3}}) ({'|'.join(_PLURALS)})")


@dataclass(frozen=True, slots=True)
class Interval:
    """`count` times `unit`. Raises `ValidationError` for a count outside 1 to ten years."""

    unit: IntervalUnit
    count: int = 1

    def __post_init__(self) -> None:
        most = YEARS_MAX * _PER_YEAR[self.unit]
        if not 1 <= self.count <= most:
            raise ValidationError(
                f"interval: {self.count} {self.unit}s; give 1 to {most:,}", field="interval"
            )

    @classmethod
    def parse(cls, text: str, field: str = "interval") -> Interval:
        """`monthly`, `every 2 weeks`, … Raises `ValidationError` naming `field` and the forms."""
        if text in _NAMES:
            return cls(_NAMES[text])
        found = _EVERY.fullmatch(text)
        if found is None or int(found[1]) > YEARS_MAX * _PER_YEAR[_PLURALS[found[2]]]:
            raise ValidationError(
                f"{field}: write {', '.join(_NAMES)}, or up to {YEARS_MAX} years such as"
                f" 'every 2 weeks' ({', '.join(_PLURALS)}), got {text!r}",
                field=field,
            )
        return cls(_PLURALS[found[2]], int(found[1]))

    @classmethod
    def lasting(cls, text: str, field: str = "lasts") -> Interval:
        """`P14D`, `P3M`: ISO 8601 with one unit. Raises `ValidationError` naming `field`."""
        found = _LASTING.fullmatch(text)
        if found is None or int(found[1]) > YEARS_MAX * _PER_YEAR[_LETTERS[found[2]]]:
            raise ValidationError(
                f"{field}: write up to {YEARS_MAX} years such as P14D, P2W, P3M or P1Y, got"
                f" {text!r}",
                field=field,
            )
        return cls(_LETTERS[found[2]], int(found[1]))

    @property
    def duration(self) -> str:
        """The text that `lasting` reads back."""
        letters = {unit: letter for letter, unit in _LETTERS.items()}
        if self.unit == "quarter":
            return f"P{self.months}M"
        return f"P{self.count}{letters[self.unit]}"

    @property
    def months(self) -> int:
        """How many months it has; 0 for days and weeks."""
        return _MONTHS.get(self.unit, 0) * self.count

    @property
    def days(self) -> int:
        """How many days it has; 0 for months, quarters and years."""
        return _DAYS.get(self.unit, 0) * self.count

    def is_multiple_of(self, other: Interval) -> bool:
        """Whether it is a whole number of the other one, whatever the calendar does."""
        if self.days and other.days:
            return self.days % other.days == 0
        return bool(self.months and other.months) and self.months % other.months == 0

    def __str__(self) -> str:
        """The shortest text that `parse` reads back."""
        if self.count == 1:
            return next(name for name, unit in _NAMES.items() if unit == self.unit)
        return f"every {self.count} {self.unit}s"


MONTHLY: Final = Interval("month")
