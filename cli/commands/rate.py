"""`tollbook rate`: a file of usage priced by a price book, without any server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.documents import read_book
from cli.options import Json
from core.errors import ValidationError

if TYPE_CHECKING:
    import polars as pl

_OUTPUTS: Final = (".parquet", ".csv")


def rate(
    file: Annotated[Path, typer.Argument(help="Usage: Parquet, CSV or NDJSON, by its ending.")],
    prices: Annotated[Path, typer.Option("--prices", help="TOML or JSON: a price book.")],
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell how each line comes to its amount.")
    ] = False,
    lines: Annotated[int, typer.Option(min=0, help="Most lines printed; totals are of all.")] = 20,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write all lines: .parquet or .csv.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Price a file of usage by a price book, without a server.

    Every price is rated for every subscription and period of the file.
    Columns: `quantity` (decimals, whole numbers or text), and if there are
    several: `price` (a key of the book), `subscription_id`, `period_start`,
    and one for each dimension of a price.

    Example: tollbook rate usage.parquet --prices book.toml --explain
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from cli.rated import print_json_lines, print_lines, rate_usage
    from cli.usage_files import read_usage

    if out is not None and out.suffix not in _OUTPUTS:
        raise ValidationError(f"--out: {out}: end it in one of {', '.join(_OUTPUTS)}")
    book = [each.price for each in read_book(prices)]
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        rows = bars.add_task("rows read", total=None)
        usage = read_usage(file, book, lambda done, of: bars.update(rows, completed=done, total=of))
        rating = bars.add_task("lines rated", total=None)
        rated = rate_usage(
            usage, book, lambda done, of: bars.update(rating, completed=done, total=of)
        )
    if out is not None:
        _write(rated.lines, out)
    if as_json:
        print_json_lines(rated, explain=explain)
    else:
        print_lines(rated, lines, explain=explain)


def _write(lines: pl.DataFrame, out: Path) -> None:
    try:
        if out.suffix == ".csv":
            lines.write_csv(out)
        else:
            lines.write_parquet(out)
    except OSError as error:
        raise ValidationError(f"--out: {out} cannot be written: {error.strerror}") from error
