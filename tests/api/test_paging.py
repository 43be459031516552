from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.paging import cursor_of, page_of, position_of
from core.errors import ValidationError


@given(st.integers(0, 10**18 - 1))
def test_a_cursor_leads_back_to_its_position(position: int) -> None:
    cursor = cursor_of(position)
    assert position_of(cursor) == position
    assert cursor.isascii()
    assert "=" not in cursor


def test_no_cursor_is_the_beginning() -> None:
    assert position_of(None) == 0


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "YWZ0ZXI6", "YWZ0ZXI6LTE", "YWZ0ZXI6MS4w", "=" * 9]
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationError, match="cursor"):
        position_of(cursor)


@dataclass(frozen=True)
class Row:
    number: int

    def as_resource(self) -> dict[str, Any]:
        return {"number": self.number}


@pytest.mark.parametrize(("there", "shown", "more"), [(0, 0, False), (3, 3, False), (4, 3, True)])
def test_a_page_says_whether_another_one_comes(there: int, shown: int, more: bool) -> None:
    rows = [Row(number) for number in range(1, there + 1)]
    page = page_of(lambda count: rows[:count], 3, lambda row: cursor_of(row.number))
    assert page["data"] == [{"number": number} for number in range(1, shown + 1)]
    assert page["next_cursor"] == (cursor_of(shown) if more else None)
