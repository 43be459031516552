from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.paging import cursor_of, position_of
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
