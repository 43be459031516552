"""`tollbook prices`: price books as files, looked at before they are sold."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Context, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.documents import read_book, read_examples
from cli.options import Json
from core.errors import ValidationError

if TYPE_CHECKING:
    from fractions import Fraction

    from catalog.price_examples import Outcome
    from rating import Price
    from rating.curve import Curve

app = typer.Typer(help="Look at the prices of a file.", no_args_is_help=True)

PriceFile = Annotated[Path, typer.Argument(help="TOML or JSON: a price book.")]


@app.command()
def lint(file: PriceFile, as_json: Json = False) -> None:
    """Find gaps, overlaps, unreachable tiers, and cliffs where more usage costs less.

    Exact for every quantity, not tried out on some. Exit code 1 when something is found.

    Example: tollbook prices lint book.toml
    """
    from catalog.price_book import lint_price_book

    prices = read_book(file)
    found = lint_price_book(prices)
    if as_json:
        rows = [{"price": price.key, **asdict(finding)} for price, finding in found]
        print(json.dumps({"prices": len(prices), "findings": rows}, indent=2))
    else:
        for price, finding in found:
            print(f"{finding.path} ({price.key}): {finding.kind}: {finding.message}")
        tiered = sum(price.tiers is not None for price in prices)
        print(f"{len(prices)} prices, {tiered} with tiers: {len(found)} findings")
    if found:
        raise typer.Exit(1)


@app.command("test")
def check(
    file: Annotated[Path, typer.Argument(help="TOML or JSON: examples, and prices or their book.")],
    as_json: Json = False,
) -> None:
    """Compare the examples of a file with what its prices come to.

    An example is a price, a quantity and the amount it must come to. Those that fail are printed
    with both amounts and the derivation; then the exit code is 1.

    Example: tollbook prices test book.toml
    """
    from catalog.price_examples import check_example

    outcomes = [check_example(each) for each in read_examples(file)]
    failed = [each for each in outcomes if not each.passed]
    if as_json:
        rows = [_outcome(each) for each in outcomes]
        document = {"examples": len(outcomes), "failed": len(failed), "results": rows}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for each in failed:
            print(f"{each.example.path} ({each.example.price.price_id}): {_difference(each)}")
            print("\n".join(f"  {text}" for text in each.told), end="\n\n")
        print(f"{len(outcomes)} examples: {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


@app.command()
def plot(
    file: PriceFile,
    price: Annotated[
        str | None, typer.Option("--price", help="Key of a price. Default: the only one.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Largest quantity. Default: beyond the last bound.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The picture: .svg or .png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw what a price costs over quantity: flat steps, jumps and cliffs, each where it is.

    With --json the corners of the curve and its jumps are printed, exactly.

    Example: tollbook prices plot book.toml --price tokens --to 2000000 --out tokens.svg
    """
    from documents.price_plot import png_of, price_plot
    from rating.curve import cost_curves

    if out is None and not as_json:
        raise ValidationError("--out: missing; name a file that ends in .svg or .png")
    if out is not None and out.suffix not in {".svg", ".png"}:
        raise ValidationError(f"--out: {out}: end it in .svg or .png")
    chosen, up_to = _chosen(file, price), None if to is None else _quantity(to)
    if as_json:
        print(json.dumps([_curve(each) for each in cost_curves(chosen, up_to)], indent=2))
    if out is not None:
        svg = price_plot(chosen, up_to)
        try:
            out.write_bytes(svg.encode() if out.suffix == ".svg" else png_of(svg))
        except OSError as error:
            raise ValidationError(f"--out: {out} cannot be written: {error.strerror}") from error


def _chosen(file: Path, key: str | None) -> Price:
    prices = {each.key: each.price for each in read_book(file)}
    if key is None and len(prices) == 1:
        return next(iter(prices.values()))
    if key not in prices:
        raise ValidationError(f"--price: name one of {', '.join(list(prices)[:20])}")
    return prices[key]


def _quantity(text: str) -> Decimal:
    from rating.prices.reading import Fields

    fields = Fields({"--to": text})
    fields.size("--to")
    return fields.decimal("--to")


def _curve(curve: Curve) -> dict[str, object]:
    return {
        "group": curve.label,
        "pieces": [
            [[_exact(each.quantity), _exact(each.cost)] for each in piece] for piece in curve.pieces
        ],
        "jumps": [
            {name: _exact(getattr(jump, name)) for name in ("quantity", "before", "at", "after")}
            for jump in curve.jumps
        ],
    }


def _exact(value: Fraction) -> str:
    """All decimals of a sum of products of decimals: they end."""
    from rating.explain import plain

    return plain(Context(prec=80).divide(Decimal(value.numerator), Decimal(value.denominator)))


def _difference(outcome: Outcome) -> str:
    example = outcome.example
    if not outcome.exact:
        return "cannot be priced"
    pairs = (("", example.amount, outcome.billed), ("exactly ", example.exact, outcome.exact))
    told = [
        f"expected {how}{wanted:f}, computed {how}{found}"
        for how, wanted, found in pairs
        if wanted is not None and wanted != Decimal(found)
    ]
    return f"{'; '.join(told)} {example.price.currency}"


def _outcome(outcome: Outcome) -> dict[str, object]:
    example = outcome.example
    expected = {"amount": example.amount, "exact": example.exact}
    return {
        "path": example.path,
        "price": example.price.price_id,
        "passed": outcome.passed,
        "expected": {name: f"{each:f}" for name, each in expected.items() if each is not None},
        "computed": {"amount": outcome.billed, "exact": outcome.exact},
        "currency": example.price.currency.code,
        "derivation": list(outcome.told),
    }
