"""The single events behind lines whose price reads them: one row per event and line, in order.

A cell is one line and group of usage. Its events stand together, by time and then by id: what comes
first is a property of the events, not of the frame. Running numbers (events so far, value so far)
are one running sum over all cells, less what it was where the cell begins; values stay below 10^15,
so 10^11 events wrap nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Final

import polars as pl

from rating.errors import QuantityTooLargeError, RatingInputError
from rating.exact import LIMB, int128, units_of
from rating.frames import EVENTS, GROUPED_EVENTS, PERIOD_KEY, check_schema

VALUE_LIMIT: Final = 10**15
"""Values and amounts of single events stay below."""

_KEY: Final = (*PERIOD_KEY, "meter_id", "group_by")
_CELLS: Final = pl.Schema(
    {
        "line": pl.UInt32(),
        "line_id": pl.String(),
        "group": pl.String(),
        "zone": pl.String(),
        "event_count": pl.UInt32(),
        "units": pl.Int128(),
        "unmeterable_count": pl.Int64(),
        "price": pl.UInt32(),
        "model_index": pl.UInt32(),
    }
)
_ROWS: Final = pl.Schema(
    {
        "cell": pl.UInt32(),
        "time": EVENTS["time"],
        "units": pl.Int128(),  # the value, in units of 10^-12
        "amount": pl.Int128(),  # likewise; null where the event has none
    }
)


@dataclass(frozen=True, slots=True)
class Events:
    """`rows` has `_ROWS`, by cell, time and id; a cell is known by its row in `cells`."""

    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_ROWS))
    cells: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_CELLS))

    def of_cell(self, column: str | pl.Series) -> pl.Expr:
        """A column of the cells, or a series beside them, for the cell that a row belongs to.

        One value of all cells is a literal, which costs nothing.
        """
        values = self.cells[column] if isinstance(column, str) else column
        if values.n_unique() == 1:
            return pl.lit(values[0], dtype=values.dtype)
        return pl.lit(values).gather(pl.col("cell"))

    def of_price(self, values: pl.Series) -> pl.Expr:
        """A series beside the prices of the model, for the price of a row."""
        return self.of_cell(values.gather(self.cells["price"]))

    def line_ids(self, rows: pl.DataFrame) -> list[str]:
        """The lines of some rows, each once."""
        cells = rows["cell"].unique(maintain_order=True)
        return self.cells["line_id"].gather(cells).unique(maintain_order=True).to_list()

    def sums(self, rows: pl.LazyFrame, column: pl.Expr) -> pl.Series:
        """The sum of a column of some rows, for each cell."""
        found = rows.group_by("cell").agg(column.sum().alias("sum")).collect(engine="streaming")
        every = pl.int_range(self.cells.height, dtype=pl.UInt32, eager=True).alias("cell")
        kept = every.to_frame().join(found, on="cell", how="left", maintain_order="left")
        return kept["sum"].fill_null(0)

    def so_far(self, column: pl.Expr) -> pl.Expr:
        """The running sum of a column of `rows` within each cell, the row's own included."""
        whole = self.sums(self.rows.lazy(), column)
        return column.cum_sum() - self.of_cell(whole.cum_sum() - whole)

    def of_model(self, index: int) -> Events:
        """The events of one model, their cells numbered anew."""
        mine = self.cells["model_index"] == index
        if mine.all():
            return self
        number = (mine.cast(pl.UInt32).cum_sum() - 1).cast(pl.UInt32)
        rows = self.rows.lazy().filter(pl.lit(mine).gather(pl.col("cell")))
        rows = rows.with_columns(pl.lit(number).gather(pl.col("cell")).alias("cell"))
        return Events(rows.collect(engine="streaming"), self.cells.filter(mine))


def checked_events(events: pl.DataFrame | None) -> pl.DataFrame:
    """`GROUPED_EVENTS`, of that, of `EVENTS`, or of none. Raises `RatingInputError`."""
    if events is None:
        return pl.DataFrame(schema=GROUPED_EVENTS)
    if events.schema == EVENTS:
        events = events.with_columns(group_by=pl.lit(""), group=pl.lit(""))
    check_schema("events", events, GROUPED_EVENTS, (*_KEY, "group", "time", "event_id"))
    return events


def read_events(lines: pl.DataFrame, events: pl.DataFrame) -> Events:
    """The events of each line that reads them; others are not priced here.

    Raises `QuantityTooLargeError` naming the lines, and `RatingInputError` for an event that stands
    in the frame twice and for a line in two time zones.
    """
    wanted = lines.filter("over_events").select("line", "line_id", *_KEY, "price", "model_index")
    if wanted.is_empty() or events.is_empty():
        return Events()
    rows, cells = _with_cells(wanted, events)
    rows = _in_order(rows, cells)
    _check_values(rows, cells)
    unmeterable = rows.filter(pl.col("units").is_null()).group_by("cell").len("unmeterable_count")
    rows = rows.filter(pl.col("units").is_not_null()) if unmeterable.height else rows
    sums = rows.lazy().group_by("cell").agg(pl.len().alias("event_count"), pl.col("units").sum())
    cells = (
        cells.join(sums.collect(engine="streaming"), on="cell", how="left", maintain_order="left")
        .join(unmeterable, on="cell", how="left", maintain_order="left")
        .with_columns(
            pl.col("event_count").fill_null(0),
            pl.col("units").fill_null(int128(0)),
            pl.col("unmeterable_count").fill_null(0).cast(pl.Int64),
        )
    )
    return Events(rows.select(_ROWS.names()), cells.select(_CELLS.names()))


def _with_cells(wanted: pl.DataFrame, events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events with their `cell`, and the cells in the order of their first event.

    Events of a line mostly stand together: it is looked up once for each run of them. An event that
    two lines read stands in both.
    """
    told = [*_KEY, "group", "zone"]
    begins = reduce(or_, (pl.col(name).ne_missing(pl.col(name).shift()) for name in told))
    begins = begins | (pl.int_range(pl.len()) == 0)
    run = events.select(begins.alias("begins")).to_series()
    found = (
        events.select(told)
        .filter(run)
        .with_row_index("run")
        .join(wanted, on=list(_KEY), how="inner", maintain_order="left_right")
    )
    cells = (
        found.select("line", "line_id", "group", "zone", "price", "model_index")
        .unique(["line", "group"], keep="first", maintain_order=True)
        .with_row_index("cell")
    )
    found = found.join(
        cells.select("line", "group", "cell", _zone="zone"),
        on=["line", "group"],
        how="left",
        maintain_order="left",
    ).with_row_index("row")
    _check_zones(found)
    # The first line of a run, the second, …: each is a layer of events of its own.
    starts = pl.when(pl.col("run").ne_missing(pl.col("run").shift())).then("row").forward_fill()
    found = found.with_columns(layer=pl.col("row") - starts)
    runs = int(run.sum())
    number = (run.cast(pl.UInt32).cum_sum() - 1).cast(pl.UInt32)
    slim = events.select(
        "time",
        "event_id",
        units_of(pl.col("value")).alias("units"),
        units_of(pl.col("amount")).alias("amount"),
    )
    layers = []
    for (_,), layer in found.sort("layer", maintain_order=True).group_by(
        "layer", maintain_order=True
    ):
        of_run = layer["cell"]
        if layer.height < runs:
            of_run = pl.repeat(None, runs, dtype=pl.UInt32, eager=True)
            of_run = of_run.scatter(layer["run"], layer["cell"])
        rows = slim.with_columns(of_run.gather(number).alias("cell"))
        layers.append(rows if layer.height == runs else rows.filter(pl.col("cell").is_not_null()))
    empty = slim.clear().with_columns(cell=pl.lit(None, pl.UInt32))
    return (pl.concat(layers) if layers else empty), cells


def _check_zones(found: pl.DataFrame) -> None:
    two = found.filter(pl.col("zone").ne_missing(pl.col("_zone")))
    if two.height:
        raise RatingInputError(
            f"events: a line is in one zone for a period; {two['line_id'][0]} is in"
            f" {two['zone'][0]} and {two['_zone'][0]}"
        )


def _in_order(rows: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """By cell, time, id, each once; most readers hand events in that order already."""
    same = pl.col("cell") == pl.col("cell").shift()
    back = (pl.col("cell") < pl.col("cell").shift()) | (
        same & (pl.col("time") <= pl.col("time").shift())
    )
    if not rows.select(back.any()).item():
        return rows
    rows = rows.sort("cell", "time", "event_id")
    again = rows.filter(
        same
        & (pl.col("time") == pl.col("time").shift())
        & (pl.col("event_id") == pl.col("event_id").shift())
    )
    if again.height:
        row = again.row(0, named=True)
        line = cells["line_id"][row["cell"]]
        raise RatingInputError(
            f"events: {row['event_id']} stands twice in {line}, at {row['time']}"
        )
    return rows


def _check_values(rows: pl.DataFrame, cells: pl.DataFrame) -> None:
    limit = int128(VALUE_LIMIT * LIMB)
    over = (pl.col("units").abs() >= limit) | (pl.col("amount").abs() >= limit)
    if rows.select(over.any()).item():
        named = cells["line_id"].gather(rows.filter(over)["cell"].unique(maintain_order=True))
        raise QuantityTooLargeError([f"{each} (an event of 10^15)" for each in named])
