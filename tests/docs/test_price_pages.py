"""No page or picture of a price model is older than the code: run `tests.docs.price_pages`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating.prices import MODELS
from tests.docs import price_pages
from tests.docs.price_pages import EXAMPLES, PAGES, PICTURES

NAMES = price_pages.example_names()


def test_every_model_has_an_example_and_a_picture() -> None:
    assert set(NAMES) == {model.name for model in MODELS}
    assert {path.stem for path in PICTURES.glob("*")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_and_its_picture_are_what_the_code_makes(name: str) -> None:
    assert price_pages.page(name) == (PAGES / f"{name}.md").read_text(encoding="utf-8")
    drawn = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert price_pages.picture(name) == drawn


def test_an_example_that_is_wrong_makes_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (EXAMPLES / "flat.toml").read_text(encoding="utf-8").replace('"49.00" #', '"50" #')
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: wrong)
    with pytest.raises(AssertionError, match=r"flat.toml: \['examples\[0\]'\] fail"):
        price_pages.picture("flat")
