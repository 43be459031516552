"""No page or picture of a price model is older than the code: run `tests.docs.price_pages`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating.prices import MODELS
from tests.docs import price_pages
from tests.docs.price_pages import EXAMPLES, HEADING, PAGES, PICTURES

NAMES = price_pages.example_names()


def test_examples_are_of_models_and_pictures_of_examples() -> None:
    assert set(NAMES) <= {model.name for model in MODELS}
    drawn = {name for name in NAMES if price_pages.picture(name)}
    assert {path.stem for path in PICTURES.glob("*")} == drawn


@pytest.mark.parametrize("name", NAMES)
def test_a_page_and_its_picture_are_what_the_code_makes(name: str) -> None:
    assert price_pages.page(name) == (PAGES / f"{name}.md").read_text(encoding="utf-8")
    if drawn := price_pages.picture(name):
        assert drawn == (PICTURES / f"{name}.svg").read_text(encoding="utf-8")


def test_a_model_without_a_curve_says_why_on_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    model = next(model for model in MODELS if model.name == NAMES[0])
    monkeypatch.setattr(type(model), "no_curve", "it is over single events")
    assert price_pages.picture(model.name) is None
    text = price_pages.page(model.name)
    assert "There is no curve over quantity: it is over single events.\n" in text
    assert "![" not in text.partition(HEADING)[2]


def test_an_example_that_is_wrong_makes_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (EXAMPLES / "flat.toml").read_text(encoding="utf-8").replace('"49.00" #', '"50" #')
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: wrong)
    with pytest.raises(AssertionError, match=r"flat.toml: \['examples\[0\]'\] fail"):
        price_pages.picture("flat")
