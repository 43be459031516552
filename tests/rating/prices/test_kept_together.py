"""A price model is its file, its test, its golden amounts and its page, which tells the truth."""

from __future__ import annotations

import re
import sys
import tomllib
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest

from rating.engine import derive_period
from rating.prices import MODELS, PriceModel
from tests.rating.builders import beside_lines, exact_amounts, inputs, price
from tests.rating.events import NO_USAGE, event_inputs
from tests.rating.events import written as happened
from tests.sources import ROOT

PAGES = ROOT / "docs" / "reference" / "prices"
NAMES = {model.name for model in MODELS}


def test_a_model_has_a_file_a_test_golden_amounts_and_a_page_of_its_name() -> None:
    here = ROOT / "tests" / "rating" / "prices"
    assert [sys.modules[type(model).__module__].__name__ for model in MODELS] == [
        f"rating.prices.{model.name}" for model in MODELS
    ]
    modules = {path.stem for path in (ROOT / "rating" / "prices").glob("*.py")}
    assert modules == NAMES | {"__init__", "base", "reading"}
    tests = {path.stem.removeprefix("test_") for path in here.glob("test_*.py")}
    assert tests == NAMES | {"kept_together"}
    assert {path.stem for path in (here / "golden").glob("*.toml")} == NAMES
    others = {"README", "around-the-price", "overage-smoothing", "commitments", "price-units"}
    assert {path.stem for path in PAGES.glob("*.md")} == NAMES | others
    overview = (PAGES / "README.md").read_text(encoding="utf-8")
    assert all(f"({name}.md)" in overview for name in NAMES)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_worked_example_of_a_page_is_what_the_code_does(model: PriceModel) -> None:
    if (PAGES / "examples" / f"{model.name}.toml").exists():
        return  # made by the code: see tests/docs/test_price_pages.py
    page = (PAGES / f"{model.name}.md").read_text(encoding="utf-8")
    [written] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    example = tomllib.loads(written)
    parameters = example["price"]
    assert parameters.pop("model") == model.name
    [(said, amount)] = re.findall(r"^Used: (.*)\. Amount: ([\d.]+)\.$", page, re.MULTILINE)
    one = price(model.name, parameters)
    if model.over_events:
        events = [happened(each, number) for number, each in enumerate(example["events"])]
        assert sum(event.value for event in events) == Decimal(said)
        wanted, frame = event_inputs([one], [events])
        steps = derive_period(wanted, NO_USAGE, [one], frame)
    else:
        used = {
            group: Decimal(quantity)
            for quantity, group in re.findall(r"([\d.]+)(?: of `(.*?)`)?", said)
        }
        frames = beside_lines(one, used) if model.of_lines else (*inputs([one], [used]), [one])
        steps = derive_period(*frames).filter(pl.col("line_id").str.ends_with("/line"))
    rows = steps.select("group", "tier", "units", "quantity", "unit_amount", "flat_amount").rows()
    told = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if re.match(r"\| (`.*`)? ?\| \d+ \| -?[\d.]+ \|", line)
    ]
    amounts = exact_amounts(steps)
    assert sum(amounts) == Fraction(amount)
    assert [(row[0], *map(Fraction, row[1:])) for row in told] == [
        (row[0], *map(Fraction, row[1:]), each) for row, each in zip(rows, amounts, strict=True)
    ]
