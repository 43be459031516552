"""Lines that are a percentage of other lines are rated after them: in waves.

The first wave are all lines with a price of their own, the next those that are a percentage of
lines before, and so on; each wave goes through all steps. A percentage is taken of what the chosen
lines **bill**: their rounded amounts with their true-ups, in currency units. So it can be checked
on the invoice, whose subtotal is the sum of the same numbers; and a line for a share of its period
has an exact amount that no decimal holds, so that a sum of exact amounts would be no quantity.

A line that is chosen and not there bills nothing; one that is chosen twice counts once. A star
chooses no line that is a percentage itself: these are chosen by their whole key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from rating.errors import LineOrderError, RatingInputError
from rating.exact import LIMB, int128
from rating.frames import CHOSEN_FROM
from rating.rounding import minor_factor
from rating.work import Step, Work

_TOGETHER: Final = ("subscription_id", CHOSEN_FROM)
"""Lines that a percentage may be of."""

WAVES_MAX: Final = 8
"""Percentages of percentages, and so on: so many one after the other."""


def run_in_waves(work: Work, steps: Sequence[Step]) -> list[Work]:
    """Run the steps for all lines. `place` of a wave's lines is their row in those handed in.

    Raises `LineOrderError` for lines that wait for each other, naming them, and `RatingInputError`
    for lines of two currencies.
    """
    if work.book.chosen.is_empty():
        return [_run(work, steps)]
    edges = _edges(work)
    first, *others = _waves(work.lines, edges)
    done = [_run(_of(work, first), steps)]
    billed = _billed(done[0].lines)
    for wave in others:
        chosen = edges.join(wave, on="line", how="semi").join(billed, on="chosen")
        base = wave.join(chosen, on="line", how="left").group_by("line").agg(pl.col("units").sum())
        done.append(_run(_of(work, base), steps))
        billed = pl.concat([billed, _billed(done[-1].lines)])
    return done


def in_order(works: Sequence[Work], frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows of each wave's frame, by its `line`, in the order of the lines handed in."""
    if len(works) == 1:
        return frames[0]
    placed = [
        frame.with_columns(line=pl.lit(work.lines["place"]).gather(pl.col("line")))
        for work, frame in zip(works, frames, strict=True)
    ]
    return pl.concat(placed).sort("line", maintain_order=True)


def _of(work: Work, wave: pl.DataFrame) -> Work:
    """The lines of a wave, numbered again, with their base where the wave says `units`."""
    wave = wave.sort("line")
    lines = work.lines[wave["line"]]
    if "units" in wave.columns:
        lines = lines.with_columns(base=wave["units"])
    lines = lines.rename({"line": "place"}).with_row_index("line")
    return replace(work, lines=lines)


def _run(work: Work, steps: Sequence[Step]) -> Work:
    for step in steps:
        work = step.run(work)
    return work


def _billed(lines: pl.DataFrame) -> pl.DataFrame:
    """What each line bills, in units of 10^-12: below 2 x 10^30, of which 10^7 lines fit."""
    minor = pl.col("amount_minor", "true_up_minor").cast(pl.Int128)
    return lines.select(
        chosen="place", units=pl.sum_horizontal(minor) * (int128(LIMB) // minor_factor())
    )


def _edges(work: Work) -> pl.DataFrame:
    """Each `line` that is a percentage, with each line that it has `chosen`."""
    percentages = work.lines.filter("of_lines")
    wanted = percentages.select("line", *_TOGETHER, "price_id", "currency").join(
        work.book.chosen, on="price_id"
    )
    others = work.lines.select(
        *_TOGETHER, "line_key", "of_lines", chosen="line", chosen_currency="currency"
    )
    star = pl.col("name").str.ends_with("*")
    whole = wanted.filter(~star).join(
        others, left_on=[*_TOGETHER, "name"], right_on=[*_TOGETHER, "line_key"]
    )
    begins = pl.col("line_key").str.starts_with(pl.col("name").str.strip_suffix("*"))
    starred = wanted.filter(star).join(others.filter(~pl.col("of_lines")), on=_TOGETHER)
    starred = starred.filter(begins)
    names = ["line", "chosen", "currency", "chosen_currency"]
    edges = pl.concat([whole.select(names), starred.select(names)])
    if work.book.chosen["price_id"].is_duplicated().any():
        edges = edges.unique(["line", "chosen"])
    wrong = edges.filter(pl.col("currency") != pl.col("chosen_currency"))
    if wrong.height:
        both = [work.lines.row(wrong[name][0], named=True)["line_id"] for name in names[:2]]
        raise RatingInputError(
            f"lines: {both[0]} is a percentage of {both[1]}, which is in another currency;"
            " currency is fixed per subscription"
        )
    return edges.select("line", "chosen")


def _waves(lines: pl.DataFrame, edges: pl.DataFrame) -> Sequence[pl.DataFrame]:
    """The lines of each wave: first those with a price of their own."""
    left = lines.filter("of_lines").select("line")
    waves = [lines.filter(~pl.col("of_lines")).select("line")]
    links = edges.join(left, left_on="chosen", right_on="line", how="semi")
    while left.height:
        ready = left.join(links, on="line", how="anti")
        if ready.is_empty():
            raise LineOrderError(_cycle(lines, links), "wait for each other")
        if len(waves) > WAVES_MAX:
            waiting = lines.join(left, on="line", how="semi")["line_id"].to_list()
            raise LineOrderError(waiting, f"have more than {WAVES_MAX} percentages before them")
        waves.append(ready)
        left = left.join(ready, on="line", how="anti")
        links = links.join(ready, left_on="chosen", right_on="line", how="anti")
    return waves


def _cycle(lines: pl.DataFrame, links: pl.DataFrame) -> list[str]:
    """The lines of one cycle, each with the next: every line that is left leads to one."""
    leads = dict(links.sort("line", "chosen", descending=True).rows())
    path = [min(leads)]
    while leads[path[-1]] not in path:
        path.append(leads[path[-1]])
    cycle = path[path.index(leads[path[-1]]) :]
    return [lines["line_id"][line] for line in cycle]
