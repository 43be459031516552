"""What stands around a price, all of it together, against fractions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating import steps
from rating.around import UNIT_FIELDS, read_around
from rating.engine import STEPS, derive_period, rate_period
from rating.errors import AmountTooLargeError, PriceParameterError, QuantityTooLargeError
from rating.frames import SHARE
from rating.prices import Price, model_named
from rating.rounding import ROUNDING_MODES
from tests.rating import around_oracle, oracle
from tests.rating.builders import exact_amounts, inputs, price, rate_each
from tests.rating.oracle import minor_units
from tests.rating.prices.drawing import AMOUNTS, GROUPS, QUANTITIES, SIZES, near, text, tier_lists

CURRENCIES = {"JPY": 0, "EUR": 2, "KWD": 3, "CLF": 4}
ROWS = 10
MODELS = {
    "per_unit": (st.fixed_dictionaries({"amount": AMOUNTS}), oracle.per_unit),
    "graduated": (tier_lists("unit_amount", "flat_amount"), oracle.graduated),
    "volume": (tier_lists("unit_amount", "flat_amount"), oracle.volume),
    "stairstep": (tier_lists("flat_amount"), oracle.stairstep),
    "package": (
        st.fixed_dictionaries(
            {"size": SIZES, "amount": AMOUNTS},
            optional={"free": SIZES, "round": st.sampled_from(["up", "down"])},
        ),
        oracle.package,
    ),
    "volume_package": (
        tier_lists("unit_amount", "flat_amount", size=True),
        oracle.volume_package,
    ),
}
PERCENTS = st.one_of(
    st.integers(0, 100).map(str),
    st.integers(0, 100 * 10**10).map(lambda scaled: text(scaled * 100)),
)


SMALL = st.one_of(st.integers(1, 10**15 - 1), st.integers(1, 3_000)).map(str)
Drawn = dict[str, Any]


@st.composite
def conversions(draw: st.DrawFn) -> Drawn:
    """Any legal conversion: at most 12 decimals together."""
    decimals = draw(st.integers(0, 12))
    fine = 10 ** draw(st.integers(decimals, 12))
    size = draw(st.one_of(st.integers(1, 10**15 - 1), st.integers(1, 2_000)))
    per = Fraction(size * fine, 10**12)
    return {
        "per": text(int(per * 10**12)),
        "round": draw(st.sampled_from(ROUNDING_MODES)),
        "decimals": decimals,
    }


AMOUNT_FIELDS = ("amount_discount", "maximum", "minimum")


@st.composite
def adjusted(draw: st.DrawFn) -> Drawn:
    """Any legal adjustments, often tight."""
    wanted = draw(st.sets(st.sampled_from([*UNIT_FIELDS, *AMOUNT_FIELDS, "percent_discount"])))
    drawn: Drawn = {name: draw(AMOUNTS) for name in AMOUNT_FIELDS if name in wanted}
    if {"minimum", "maximum"} <= wanted:
        bounds = sorted((drawn["minimum"], drawn["maximum"]), key=Fraction)
        drawn["minimum"], drawn["maximum"] = bounds
    if "percent_discount" in wanted:
        drawn["percent_discount"] = draw(PERCENTS)
    if "unit_conversion" in wanted:
        drawn["unit_conversion"] = draw(conversions())
    for name in UNIT_FIELDS[1:]:
        if name in wanted:
            drawn[name] = draw(st.one_of(SMALL, AMOUNTS))
    return drawn


@dataclass(frozen=True)
class Case:
    model: str
    parameters: Drawn
    adjustments: Drawn
    used: dict[str, Decimal]
    currency: str
    mode: Any
    share: tuple[int, int]

    def price(self, at: int) -> Price:
        return price(
            self.model,
            self.parameters,
            price_id=f"price-{at}",
            currency=self.currency,
            mode=self.mode,
            adjustments=self.adjustments,
        )

    def expected(self) -> around_oracle.Expected | None:
        """None where it is too large at some step."""
        share = Fraction(*self.share)
        said = around_oracle.for_share(self.adjustments, share)
        parameters = around_oracle.flats_for_share(self.parameters, share)
        used = {group: Fraction(quantity) for group, quantity in self.used.items()}
        conversion = {
            name: self.adjustments[name] for name in UNIT_FIELDS[:1] if name in self.adjustments
        }
        sold = around_oracle.priced(used, said)
        amounts = [
            MODELS[self.model][1](sold[group], parameters)
            if sold[group] or used[group] >= 0
            else Fraction(0)
            for group in used
        ]
        whole, digits = sum(used.values(), Fraction(0)), CURRENCIES[self.currency]
        line = around_oracle.line(whole, sum(amounts, Fraction(0)), said, digits, self.mode)
        # The whole flat parts are in the model's amount, before the share is taken of them.
        gross = [
            MODELS[self.model][1](sold[group], self.parameters) if sold[group] else Fraction(0)
            for group in used
        ]
        quantities = [
            whole,
            *around_oracle.priced(used, conversion).values(),
            sum(sold.values(), Fraction(0)),
        ]
        least = minor_units(Fraction(said.get("minimum", 0)), digits, self.mode)
        minors = [line.minor, line.true_up, least if line.true_up else 0]
        too_large = (
            any(abs(each) >= 10**26 for each in quantities)
            or any(abs(each) >= 10**18 for each in [*amounts, sum(amounts, Fraction(0))])
            or any(abs(each) >= 10**18 for each in [*gross, sum(gross, Fraction(0))])
            or any(abs(each) >= 10**18 for each in minors)
        )
        return None if too_large else line


@st.composite
def cases(draw: st.DrawFn) -> Case:
    model = draw(st.sampled_from(sorted(MODELS)))
    parameters, adjustments = draw(MODELS[model][0]), draw(adjusted())
    quantities = st.one_of(QUANTITIES, near(parameters), near(adjustments))
    used = draw(quantities.map(lambda quantity: {"": quantity}))
    if draw(st.booleans()):
        parameters = parameters | {"group_by": ["region"]}
        small = quantities.filter(lambda quantity: abs(quantity) < 10**25)
        used = draw(st.dictionaries(st.sampled_from(GROUPS), small, max_size=len(GROUPS)))
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    mode = draw(st.sampled_from(ROUNDING_MODES))
    whole = draw(st.one_of(st.integers(1, 60), st.integers(1, 10**15 - 1)))
    part = draw(st.one_of(st.integers(0, whole), st.just(whole)))
    return Case(model, parameters, adjustments, used, currency, mode, (part, whole))


def test_lines_equal_the_fraction_oracle_or_are_refused(rating_cases: int) -> None:
    @settings(max_examples=max(1, rating_cases // ROWS))
    @given(st.lists(cases(), min_size=ROWS, max_size=2 * ROWS))
    def check(drawn: list[Case]) -> None:
        kept, expected = [], []
        for case in drawn:
            line = case.expected()
            if line is not None:
                kept.append(case)
                expected.append(line)
        prices = [case.price(at) for at, case in enumerate(kept)]
        wanted, spent = inputs(prices, [case.used for case in kept])
        wanted = with_shares(wanted, [case.share for case in kept])
        rated = rate_period(wanted, spent, prices)
        assert rated["amount_minor"].to_list() == [each.minor for each in expected]
        assert rated["true_up_minor"].to_list() == [each.true_up for each in expected]
        assert exact_amounts(rated) == [each.exact for each in expected]
        told = derive_period(wanted, spent, prices).join(
            rated.select("line_id", "share_denominator"), on="line_id", maintain_order="left"
        )
        for line_id, case, each in zip(rated["line_id"], kept, expected, strict=True):
            _check_told(told.filter(line_id=line_id), case, each)

    check()


def test_lines_that_are_too_large_are_refused_and_never_wrapped(rating_cases: int) -> None:
    @settings(max_examples=max(1, rating_cases // 2))
    @given(cases())
    def check(drawn: Case) -> None:
        case = replace(drawn, share=(1, 1))
        if case.expected() is None:
            with pytest.raises((AmountTooLargeError, QuantityTooLargeError)):
                rate_each([case.price(0)], [case.used])

    check()


def _check_told(rows: pl.DataFrame, case: Case, expected: around_oracle.Expected) -> None:
    """Each step is told once for each group or line, in order, with numbers that add up."""
    amounts = exact_amounts(rows)
    assert sum(amounts, Fraction(0)) == expected.exact + expected.changes.get("minimum", 0)
    by_name = dict(zip(rows["name"], amounts, strict=True))
    assert {name: by_name[name] for name in expected.changes} == expected.changes
    units = [name for name in UNIT_FIELDS if name in case.adjustments]
    said = [name for name in units for _ in case.used] + list(expected.changes)
    if case.share[0] < case.share[1]:
        said.insert(len(units) * len(case.used), "share")
    assert [name for name in rows["name"] if name != "price"] == said
    used = {group: Fraction(quantity) for group, quantity in case.used.items()}
    done: Drawn = {}
    for name in units:
        before = around_oracle.priced(used, done)
        done[name] = around_oracle.for_share(case.adjustments, Fraction(*case.share))[name]
        after = around_oracle.priced(used, done)
        for row in rows.filter(name=name).to_dicts():
            group = row["group"]
            sizes = before[group], after[group]
            taken = _up(sizes[0]) - (_up(sizes[1]) if name != "unit_conversion" else 0)
            assert (Fraction(row["units"]), Fraction(row["quantity"])) == (taken, _up(sizes[1]))


def _up(quantity: Fraction) -> Fraction:
    """Away from zero to 12 decimals, as quantities of shares are told."""
    size = Fraction(ceil(abs(quantity) * 10**12), 10**12)
    return size if quantity >= 0 else -size


def with_shares(wanted: pl.DataFrame, shares: list[tuple[int, int]]) -> pl.DataFrame:
    return wanted.hstack(pl.DataFrame(shares, schema=SHARE, orient="row"))


def test_amounts_that_wrap_no_limb_stand_at_the_limit() -> None:
    """All of 18 digits, the least bit of 36 taken off."""
    adjustments = {"percent_discount": "0.0000000001"}  # one of 10^12
    one = price("per_unit", {"amount": "1"}, currency="JPY", adjustments=adjustments)
    rated = rate_each([one], [Decimal("999999999999999999.999999999999")])
    exact = Fraction(10**30 - 1, 10**12) * (1 - Fraction(1, 10**12))
    assert exact_amounts(rated) == [exact]
    assert rated["amount_minor"].item() == round(exact)


def test_an_amount_too_large_before_its_discount_is_refused_and_not_wrapped() -> None:
    free = price("per_unit", {"amount": "1"}, currency="JPY", adjustments={"percent_discount": 100})
    assert rate_each([free], [Decimal(10**18 - 1)])["amount_minor"].item() == 0
    for quantity in (10**18, 10**25):
        with pytest.raises(AmountTooLargeError):
            rate_each([free], [Decimal(quantity)])


@pytest.mark.parametrize(
    ("adjustments", "message"),
    [
        ({"minimun": "1"}, r"adjustments\.minimun: unknown parameter; known here: .*minimum"),
        ({"minimum": 0.5}, r'adjustments\.minimum: expected a decimal in quotes, "0\.50", got 0'),
        ({"minimum": "-1"}, r"adjustments\.minimum: must not be negative"),
        ({"maximum": "1000000000000000"}, r"adjustments\.maximum: must be below 10\^15"),
        ({"amount_discount": "0.0000000000001"}, r"adjustments\.amount_discount: .* 12 decimals"),
        ({"percent_discount": "100.5"}, r"adjustments\.percent_discount: must be at most 100"),
        ({"percent_discount": "0.00000000001"}, r"adjustments\.percent_discount: .* 10 decimals"),
        ({"minimum": "2", "maximum": "1"}, r"adjustments\.minimum: is above the maximum; lower"),
        ({"free_units": "1000000000000000"}, r"adjustments\.free_units: must be below 10\^15"),
        ({"unit_conversion": {"per": "0", "round": "up"}}, r"unit_conversion\.per: must be above"),
        ({"unit_conversion": {"round": "up"}}, r"adjustments\.unit_conversion\.per: missing"),
        ({"unit_conversion": {"per": "10"}}, r"unit_conversion\.round: use one of half_away"),
        ({"unit_conversion": "10"}, r"adjustments\.unit_conversion: expected a table"),
        (
            {"unit_conversion": {"per": "1.5", "round": "up", "decimals": 12}},
            r"unit_conversion\.decimals: more than 12 together with those of `per`",
        ),
        (
            {"unit_conversion": {"per": "1", "round": "up", "decimals": 13}},
            r"unit_conversion\.decimals: give a whole number from 0 to 12, got 13",
        ),
        (
            {"unit_conversion": {"per": "1", "round": "up", "to": 1}},
            r"unit_conversion\.to: unknown parameter; known here: per, round, decimals",
        ),
        (["minimum"], r"adjustments: expected a table"),
    ],
)
def test_adjustments_that_mean_nothing_are_refused_by_path(adjustments: Any, message: str) -> None:
    with pytest.raises(PriceParameterError, match=message):
        read_around(adjustments, model_named("per_unit"))


@pytest.mark.parametrize("model", ["flat", "capacity"])
@pytest.mark.parametrize("name", UNIT_FIELDS)
def test_units_are_changed_only_where_there_is_one_unit(model: str, name: str) -> None:
    with pytest.raises(PriceParameterError, match=rf"adjustments\.{name}: {model} prices no quant"):
        read_around({name: "1"}, model_named(model))


@pytest.mark.parametrize(
    ("model", "parameters", "adjustments", "quantity", "line", "true_up"),
    [
        ("per_unit", {"amount": "2.50"}, {"minimum": "50"}, "19", 4750, 250),  # 50 in all
        ("per_unit", {"amount": "1"}, {"maximum": "3"}, "5", 300, 0),
        (
            "per_unit",
            {"amount": "0.25"},
            {"unit_conversion": {"per": "500", "round": "up"}},
            "48900",
            2450,  # 98 x 0.25; a reference that prints 2.45 is wrong
            0,
        ),
        # What a package has free itself, and what stands around it, come to the same.
        ("package", {"size": "100", "amount": "5", "free": "100"}, {}, "201", 1000, 0),
        ("package", {"size": "100", "amount": "5"}, {"free_units": "100"}, "201", 1000, 0),
        # A fee with what it includes, as one price: 100 + (1,500 - 1,000) x 0.04.
        (
            "graduated",
            {"tiers": [{"unit_amount": "0.04", "flat_amount": "100"}]},
            {"free_units": "1000"},
            "1500",
            12000,
            0,
        ),
        ("flat", {"amount": "49"}, {"percent_discount": "10", "minimum": "45"}, "0", 4410, 90),
        (
            "stairstep",
            {"tiers": [{"flat_amount": "75.86"}]},
            {"percent_discount": "50"},
            "1",
            3793,
            0,
        ),
    ],
)
def test_numbers_of_the_field(
    model: str,
    parameters: Drawn,
    adjustments: Drawn,
    quantity: str,
    line: int,
    true_up: int,
) -> None:
    rated = rate_each([price(model, parameters, adjustments=adjustments)], [Decimal(quantity)])
    assert rated.select("amount_minor", "true_up_minor").row(0) == (line, true_up)


def test_parts_of_a_period_sum_to_the_whole_by_component() -> None:
    """Billed along the way, each time the new total less what was billed: nothing drifts."""
    adjustments = {
        "unit_conversion": {"per": "1000", "round": "up"},
        "free_units": "2",
        "percent_discount": "33.3",
        "maximum": "3.30",
        "minimum": "1.111",
    }
    one = price("package", {"size": "3", "amount": "0.777"}, adjustments=adjustments)
    totals = [0, 1, 2000, 2001, 5000, 5001, 11_001, 90_000]
    rated = rate_each([replace(one, price_id=f"at {each}") for each in totals], _decimals(totals))
    lines, true_ups = rated["amount_minor"].to_list(), rated["true_up_minor"].to_list()
    # 0.777 less a third is 0.518259; 1, 2, 4 begun packages of three sold units; then the maximum.
    assert lines == [0, 0, 0, 52, 52, 104, 207, 330]
    assert true_ups == [111, 111, 111, 59, 59, 7, 0, 0]
    steps = [after - before for before, after in pairwise([0, *lines])]
    assert sum(steps) == lines[-1]
    assert min(steps) >= 0


def _decimals(whole: list[int]) -> list[Decimal]:
    return [Decimal(each) for each in whole]


def test_no_adjustments_are_legal_and_do_nothing() -> None:
    plain = price("per_unit", {"amount": "2"}, adjustments={})
    rated = rate_each([plain], [Decimal(3)])
    assert rated.select("amount_minor", "true_up_minor", "unit_amount").row(0) == (600, 0, 2)


def test_each_step_has_its_file_its_test_its_heading_and_its_place() -> None:
    folder = Path(steps.__file__).parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    tests = {path.stem for path in (Path(__file__).parent / "steps").glob("test_*.py")}
    assert tests == {f"test_{name}" for name in names}
    page = folder.parent.parent / "docs" / "reference" / "prices" / "around-the-price.md"
    headings = {
        row[3:] for row in page.read_text(encoding="utf-8").splitlines() if row.startswith("## ")
    }
    runs = {each.run.__module__.rpartition(".")[2] for each in STEPS} - {"engine"}
    assert runs == names
    assert {f"`{name}`" for name in names} <= headings
