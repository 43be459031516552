"""Pictures of prices: what is drawn, and that the bytes are the same each time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from decimal import Decimal
from fractions import Fraction
from typing import Any

from documents.price_plot import Mark, png_of, price_plot
from tests.rating.builders import price

TIERS = [{"up_to": "5", "unit_amount": "7"}, {"up_to": "10", "unit_amount": "8"}]
VOLUME = {"tiers": [*TIERS, {"unit_amount": "6"}]}


def plot(model: str, parameters: dict[str, Any], *marks: Mark, to: str | None = None) -> str:
    return price_plot(price(model, parameters), None if to is None else Decimal(to), marks)


def count(svg: str, kind: str) -> int:
    return len(re.findall(rf'class="{kind}"', svg))


def test_a_picture_is_well_formed_and_the_same_bytes_each_time() -> None:
    svg = plot("volume", VOLUME)
    assert ET.fromstring(svg).tag.endswith("svg")
    assert svg == plot("volume", VOLUME)
    assert png_of(svg) == png_of(svg)
    assert svg != plot("volume", VOLUME, to="20")


def test_jumps_have_a_filled_and_a_hollow_end_and_cliffs_are_named() -> None:
    svg = plot("volume", VOLUME)
    assert [count(svg, f"{kind} blue") for kind in ("jump", "at", "open", "curve")] == [1, 1, 1, 3]
    assert [count(svg, f"{kind} cliff") for kind in ("jump", "at", "open")] == [1, 1, 1]
    assert "cliff at 10<" in svg


def test_many_jumps_are_one_line() -> None:
    svg = plot("package", {"size": "10", "amount": "1"}, to="1000")
    assert [count(svg, f"{kind} blue") for kind in ("jump", "curve")] == [0, 1]


def test_curves_of_groups_are_named_beside_their_ends_not_on_each_other() -> None:
    cells = [{"values": {"region": each}, "unit_amount": "1"} for each in ("<eu>", "us")]
    svg = plot("matrix", {"dimensions": ["region"], "cells": cells})
    assert re.findall(r'class="name \w+".*>(.*)</text>', svg) == ["&lt;eu&gt;", "us"]
    first, second = map(float, re.findall(r'class="name \w+" x="[\d.]+" y="([\d.]+)"', svg))
    assert second - first >= 15


def test_a_mark_is_drawn_with_its_words_and_a_free_price_is_drawn_too() -> None:
    svg = plot("per_unit", {"amount": "0"}, Mark(Fraction(50), Fraction(0), "50 are free"))
    assert count(svg, "mark") == 1
    assert "50 are free" in svg
