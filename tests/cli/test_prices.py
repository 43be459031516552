"""`tollbook prices lint`: exit code, lines and JSON."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from cli.main import build_app
from core.errors import ValidationError

_GOOD = """
currency = "USD"

[[prices]]
key = "tokens"
model = "graduated"
tiers = [{ up_to = "100", unit_amount = "0.10" }, { unit_amount = "0.05" }]
"""
_CLIFF = "100 costs 10, the least bit more 5.00000000000005; it costs as much again from 200"


def lint(file: Path, text: str, *options: str) -> Result:
    file.write_text(text)
    return CliRunner().invoke(build_app(), ["prices", "lint", str(file), *options])


def test_a_good_book_has_no_findings(tmp_path: Path) -> None:
    result = lint(tmp_path / "book.toml", _GOOD)
    assert (result.exit_code, result.stdout) == (0, "1 prices, 1 with tiers: 0 findings\n")


def test_findings_are_lines_or_json_and_exit_code_1(tmp_path: Path) -> None:
    text = _GOOD.replace("graduated", "volume")
    result = lint(tmp_path / "book.toml", text)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"prices[0].tiers[1] (tokens): cliff: {_CLIFF}",
        "1 prices, 1 with tiers: 1 findings",
    ]
    found = json.loads(lint(tmp_path / "book.toml", text, "--json").stdout)
    assert found["prices"] == 1
    assert [(each["price"], each["kind"]) for each in found["findings"]] == [("tokens", "cliff")]


def test_a_mistake_names_the_file_and_the_path(tmp_path: Path) -> None:
    file = tmp_path / "book.json"
    refused = lint(file, json.dumps({"currency": "USD", "prices": [{"key": "a"}]}))
    assert isinstance(refused.exception, ValidationError)
    assert refused.exception.message == f"{file}: prices[0].model: missing; add it"


_EXAMPLES = """
[[examples]]
quantity = "150"
amount = "12.50"
exact = "12.5"

[[examples]]
quantity = "100.5"
amount = "10.02"
exact = "10.02"

[[examples]]
quantity = "99999999999999999999"
amount = "1"
"""

_DIFFERENCE = "expected 10.02, computed 10.03; expected exactly 10.02, computed exactly 10.025 USD"
_TOO_LARGE = (
    "amount: 1 line(s) reach the limit of 10^18 minor units:"
    " -/1970-01-01T00:00:00.000000Z/tokens; check the unit price and the quantity"
)


def examples(file: Path, text: str, *options: str) -> Result:
    file.write_text(text)
    return CliRunner().invoke(build_app(), ["prices", "test", str(file), *options])


def test_examples_that_fail_are_told_with_both_amounts_and_the_derivation(tmp_path: Path) -> None:
    (tmp_path / "book.toml").write_text(_GOOD)
    result = examples(tmp_path / "examples.toml", f'book = "book.toml"\n{_EXAMPLES}')
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"examples[1] (tokens): {_DIFFERENCE}",
        "  used          100.5",
        "  price tier 1  100 × 0.1            10",  # noqa: RUF001 - as it is printed
        "  price tier 2  0.5 × 0.05            0.025",  # noqa: RUF001 - as above
        "  exact                              10.025",
        "  rounded       half_away_from_zero  10.03",
        "  billed                             10.03 USD",
        "",
        "examples[2] (tokens): cannot be priced",
        f"  {_TOO_LARGE}",
        "",
        "3 examples: 2 failed",
    ]


def test_a_book_may_hold_its_own_examples(tmp_path: Path) -> None:
    good, _, _ = _EXAMPLES.partition('\n\n[[examples]]\nquantity = "100.5"')
    file = tmp_path / "book.toml"
    result = examples(file, _GOOD + good)
    assert (result.exit_code, result.stdout) == (0, "1 examples: 0 failed\n")
    assert lint(file, _GOOD + good).exit_code == 0
    told = json.loads(examples(file, _GOOD + _EXAMPLES, "--json").stdout)
    assert (told["examples"], told["failed"]) == (3, 2)
    assert told["results"][0] | {"derivation": []} == {
        "path": "examples[0]",
        "price": "tokens",
        "passed": True,
        "expected": {"amount": "12.50", "exact": "12.5"},
        "computed": {"amount": "12.50", "exact": "12.5"},
        "currency": "USD",
        "derivation": [],
    }


def test_examples_of_two_places_or_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "examples.toml"
    for text, message in (
        (f'book = "book.toml"\n{_GOOD}', "book: the prices stand here, too; remove one of them"),
        ("book = 1", 'book: give the name of a file, such as "book.toml"'),
        (_GOOD, "examples: missing; add it"),
    ):
        refused = examples(file, text).exception
        assert isinstance(refused, ValidationError)
        assert refused.message == f"{file}: {message}"


def plot(file: Path, text: str, *options: str) -> Result:
    file.write_text(text)
    return CliRunner().invoke(build_app(), ["prices", "plot", str(file), *options])


def test_a_price_is_drawn_as_svg_and_png_the_same_bytes_each_time(tmp_path: Path) -> None:
    file = tmp_path / "book.toml"
    svg, again, png = tmp_path / "a.svg", tmp_path / "b.svg", tmp_path / "c.png"
    for out in (svg, again, png):
        assert plot(file, _GOOD, "--out", str(out)).exit_code == 0
    assert svg.read_bytes() == again.read_bytes()
    assert svg.read_text().startswith("<svg ")
    assert png.read_bytes().startswith(b"\x89PNG\r\n")


def test_a_curve_is_printed_for_programs(tmp_path: Path) -> None:
    text = _GOOD.replace("graduated", "volume")
    result = plot(tmp_path / "book.toml", text, "--json", "--to", "200")
    [curve] = json.loads(result.stdout)
    assert curve["jumps"] == [
        {"quantity": "100", "before": "10", "at": "10", "after": "5.00000000000005"}
    ]
    assert curve["pieces"][0][0] == ["0", "0"]
    assert curve["pieces"][1][-1] == ["200", "10"]


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    two = _GOOD + '[[prices]]\nkey = "fee"\nmodel = "flat"\namount = "1"\n'
    out = str(tmp_path / "a.svg")
    for options, message in (
        ([], "--out: missing; name a file that ends in .svg or .png"),
        (["--out", "a.pdf"], "--out: a.pdf: end it in .svg or .png"),
        (["--out", out], "--price: name one of tokens, fee"),
        (["--out", out, "--price", "x"], "--price: name one of tokens, fee"),
        (["--out", out, "--price", "fee", "--to", "0"], "--to: must be above zero"),
        (["--out", out, "--price", "fee", "--to", "many"], "--to: expected a decimal in quotes"),
        (["--out", str(tmp_path / "no" / "a.svg"), "--price", "fee"], "--out: "),
    ):
        refused = plot(tmp_path / "book.toml", two, *options).exception
        assert isinstance(refused, ValidationError)
        assert refused.message.startswith(message)
