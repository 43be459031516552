from __future__ import annotations

import pytest

from core.errors import ValidationError
from core.texts import check_text


def test_text_is_given_back() -> None:
    for text in ("", "größe \U0001f680", "a\tb\n"):
        assert check_text(text, "name") is text


@pytest.mark.parametrize("text", ["a\x00", "\ud800", 5, None, ["a"], b"a"])
def test_what_no_database_stores_is_refused_with_its_field(text: object) -> None:
    with pytest.raises(ValidationError, match=r"^name: ") as refused:
        check_text(text, "name")
    assert refused.value.details["field"] == "name"
