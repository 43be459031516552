"""`tollbook rate`: files of every kind, what is printed and written, and what is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from cli import rated, usage_files
from cli.main import build_app
from core.errors import ValidationError
from rating import GROUPED_USAGE, PROOF, RATED

BOOK = """
currency = "USD"

[[prices]]
key = "tokens"
model = "graduated"
tiers = [{ up_to = "1000", unit_amount = "0.010" }, { unit_amount = "0.0075", flat_amount = "2" }]
adjustments = { free_units = "100", minimum = "20" }

[[prices]]
key = "storage"
model = "per_unit"
amount = "0.25"
group_by = ["region"]
currency = "EUR"

[[prices]]
key = "fee"
model = "flat"
amount = "49"
"""
USAGE = pl.DataFrame(
    {
        "subscription_id": ["acme", "acme", "acme", "bolt"],
        "price": ["tokens", "storage", "storage", "tokens"],
        "quantity": ["1500", "3.5", "2", "80"],
        "region": [None, "eu", "us", None],
        "note": ["", "is left alone", "", ""],
    }
)
TOTALS = [
    {"currency": "EUR", "lines": 2, "amount": "1.38", "true_up": "0.00", "total": "1.38"},
    {"currency": "USD", "lines": 4, "amount": "113.00", "true_up": "25.00", "total": "138.00"},
]
"""acme: 900 x 0.01 would be inside the first tier, but 1,400 are priced: 10 + 3 + 2, up to 20."""


def run(folder: Path, usage: pl.DataFrame, *options: str, name: str = "usage.parquet") -> Result:
    book, file = folder / "book.toml", folder / name
    book.write_text(BOOK)
    if file.suffix == ".parquet":
        usage.write_parquet(file)
    elif file.suffix == ".csv":
        usage.write_csv(file)
    else:
        usage.write_ndjson(file)
    return CliRunner().invoke(
        build_app(), ["rate", str(file), "--prices", str(book), *options], catch_exceptions=True
    )


@pytest.mark.parametrize("name", ["usage.parquet", "usage.csv", "usage.ndjson", "usage.jsonl"])
@pytest.mark.parametrize("batch", [1, 500_000], ids=["row by row", "at once"])
def test_every_format_and_batch_gives_the_same_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, batch: int
) -> None:
    monkeypatch.setattr(usage_files, "BATCH_ROWS", batch)
    monkeypatch.setattr(rated, "BLOCK_LINES", batch)
    result = run(tmp_path, USAGE, "--json", name=name)
    assert result.exit_code == 0, result.exception
    found = json.loads(result.stdout)
    assert found["totals"] == TOTALS
    again = json.loads(run(tmp_path, USAGE.reverse(), "--json").stdout)["lines"]
    by_id = {line["line_id"]: line for line in again}
    assert {line["line_id"]: line for line in found["lines"]} == by_id


def test_numbers_of_ndjson_stay_exact(tmp_path: Path) -> None:
    (tmp_path / "book.toml").write_text(BOOK)
    file = tmp_path / "usage.ndjson"
    file.write_text('{"price":"tokens","quantity":1500.000000000001}\n')
    options = ["rate", str(file), "--prices", str(tmp_path / "book.toml"), "--json"]
    lines = json.loads(CliRunner().invoke(build_app(), options).stdout)["lines"]
    assert lines[0]["used_quantity"] == "1500.000000000001"
    assert lines[0]["amount_exact"] == "15.0000000000000075"


def test_lines_are_a_table_and_explained_one_by_one(tmp_path: Path) -> None:
    table = run(tmp_path, USAGE).stdout.splitlines()
    assert table[0].split() == [
        *("subscription", "price", "model", "used", "exact"),
        *("amount", "true-up", "currency"),
    ]
    assert table[1].split() == ["acme", "tokens", "graduated", "1500", "15", "15.00", "5.00", "USD"]
    assert table[-1].split() == ["USD", "4", "113.00", "25.00", "138.00"]

    told = run(tmp_path, USAGE, "--explain", "--lines", "1").stdout
    assert "acme · tokens (graduated)\n  used          1500\n" in told
    assert "  price tier 2  400 × 0.0075 + flat 2   5\n" in told  # noqa: RUF001 - as it is printed
    assert "… and 5 more lines" in told

    document = json.loads(run(tmp_path, USAGE, "--explain", "--json").stdout)
    for line in document["lines"]:
        steps = sum(Decimal(step["amount_exact"]) for step in line["steps"])
        assert steps == Decimal(line["amount_exact"]) + Decimal(line["true_up"])
        assert len(line["content_hash"]) == 64


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_all_lines_are_written_with_their_hashes(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"lines.{ending}"
    assert run(tmp_path, USAGE, "--out", str(out)).exit_code == 0
    names = [*RATED, *(name for name in PROOF if name not in RATED)]
    if ending == "parquet":
        lines = pl.read_parquet(out)
        assert lines["amount_minor"].sum() == 138 + 11_300
    else:
        lines = pl.read_csv(out)
    assert lines.columns == names
    assert lines.height == 6


def test_what_is_wrong_names_file_column_row_and_fix(tmp_path: Path) -> None:
    def refused(usage: pl.DataFrame, *options: str, name: str = "usage.parquet") -> str:
        error = run(tmp_path, usage, *options, name=name).exception
        assert isinstance(error, ValidationError)
        return error.message.replace(f"{tmp_path}/", "")

    wrong = USAGE.with_columns(quantity=pl.Series(["1", "2", "3", "many"]))
    expected = "usage.csv: quantity, row 4: 'many' is no decimal"
    assert refused(wrong, name="usage.csv").startswith(expected)
    floats = USAGE.with_columns(quantity=pl.Series([0.5, 1.0, 2.0, 3.0]))
    expected = "usage.parquet: quantity: holds Float64, which is not exact; give decimals"
    assert refused(floats).startswith(expected)
    assert refused(USAGE, name="usage.txt").startswith("usage.txt: give a file that ends in one of")
    assert refused(USAGE, "--out", "x.json") == "--out: x.json: end it in one of .parquet, .csv"
    assert "cannot be written" in refused(USAGE, "--out", str(tmp_path / "no" / "x.csv"))


def test_rows_are_counted_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_files, "BATCH_ROWS", 2)
    error = run(tmp_path, USAGE.with_columns(quantity=pl.Series(["1", "2", "x", "4"]))).exception
    assert isinstance(error, ValidationError)
    assert "usage.parquet: quantity, row 3: 'x'" in error.message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("usage.parquet", b"not parquet", "usage.parquet: not PARQUET: "),
        ("usage.csv", b"", "usage.csv: not CSV: "),
        ("usage.ndjson", b"[1]\n", "usage.ndjson: not NDJSON: every line must be an object"),
        ("usage.ndjson", b"{", "usage.ndjson: not NDJSON: "),
        ("usage.ndjson", b"", "usage.ndjson: has no rows; give a file of usage"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / "book.toml").write_text(BOOK)
    (tmp_path / name).write_bytes(content)
    options = ["rate", str(tmp_path / name), "--prices", str(tmp_path / "book.toml")]
    error = CliRunner().invoke(build_app(), options).exception
    assert isinstance(error, ValidationError)
    assert error.message.removeprefix(f"{tmp_path}/").startswith(message)


def test_no_usage_is_no_line() -> None:
    usage = pl.DataFrame(schema=GROUPED_USAGE)
    found = rated.rate_usage(usage, [], lambda *_: None)
    assert (found.lines.height, found.totals()) == (0, [])
