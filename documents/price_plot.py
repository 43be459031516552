"""What prices cost over the quantity used, as a picture: SVG, or PNG through Typst.

A filled dot is what the quantity of a jump costs, a hollow one what a little less or more would
cost. A jump down is a cliff, in red: more usage costs less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from html import escape
from typing import Final

import typst

from core.errors import InternalError
from rating.curve import Curve, Jump, Point, cost_curves, round_up
from rating.explain import plain
from rating.prices import Price, PriceModel, model_named

WIDTH: Final = 720
HEIGHT: Final = 400
PNG_DOTS_PER_INCH: Final = 144.0

_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 84, 74, 56
_JUMPS_DRAWN_MAX: Final = 24
"""More of them are drawn as one line."""

_LABEL_HEIGHT: Final = 17.0
_STEPS: Final = (1, 2, 5, 10)
_TICKS_MAX: Final = 8
_COLORS: Final = ("blue", "amber", "green", "violet", "teal", "rose")
_STYLE: Final = """<style>
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
  text { font-size: 13px; fill: #3c4a59; }
  .page { fill: #ffffff; }
  .title { font-size: 18px; font-weight: 600; fill: #1d2733; }
  .note { font-size: 13px; fill: #5a6878; }
  .grid { stroke: #e3e8ee; }
  .axis { stroke: #8793a1; stroke-width: 1.2; }
  .curve { fill: none; stroke-width: 2.6; stroke-linejoin: round; stroke-linecap: round; }
  .jump { stroke-width: 1.4; stroke-dasharray: 3 4; }
  .open { fill: #ffffff; stroke-width: 1.8; }
  .blue { stroke: #2f6fc4; } .at.blue, .name.blue, .area.blue { fill: #2f6fc4; }
  .amber { stroke: #b7791f; } .at.amber, .name.amber { fill: #b7791f; }
  .green { stroke: #2f855a; } .at.green, .name.green { fill: #2f855a; }
  .violet { stroke: #7048b8; } .at.violet, .name.violet { fill: #7048b8; }
  .teal { stroke: #0f7b8a; } .at.teal, .name.teal { fill: #0f7b8a; }
  .rose { stroke: #b83280; } .at.rose, .name.rose { fill: #b83280; }
  .cliff { stroke: #c53030; } .at.cliff { fill: #c53030; }
  text.cliff { fill: #c53030; stroke: none; }
  text.name { stroke: none; font-weight: 600; }
  .area { stroke: none; fill-opacity: 0.09; }
  .mark { fill: #c98a1b; stroke: #ffffff; stroke-width: 1.5; }
  .said { font-weight: 600; fill: #8a5d0c; }
  @media (prefers-color-scheme: dark) {
    text { fill: #c3cedb; }
    .page, .open { fill: #10151c; }
    .title { fill: #e8edf3; }
    .note { fill: #9fadbd; }
    .grid { stroke: #222c38; }
    .axis { stroke: #6c7a8a; }
    .said { fill: #e0b35c; }
    .mark { stroke: #10151c; }
    .blue { stroke: #5c9bea; } .at.blue, .name.blue, .area.blue { fill: #5c9bea; }
  }
</style>"""

_PAGE: Final = """#set page(width: auto, height: auto, margin: 0pt)
#image(bytes(sys.inputs.svg), format: "svg")
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A quantity and what it costs, set apart with a word or two."""

    quantity: Fraction
    cost: Fraction
    text: str


def price_plot(price: Price, up_to: Decimal | None = None, marks: Sequence[Mark] = ()) -> str:
    """An SVG document: the same price, the same bytes.

    Marks are set apart on top of it.

    Raises `PriceParameterError` for a price without a curve.
    """
    curves = cost_curves(price, up_to)
    return _Plot(price, curves, marks).drawn()


def png_of(svg: str) -> bytes:
    """The picture as PNG. Fonts of the machine are not looked at: the same bytes everywhere."""
    try:
        return typst.compile(
            _PAGE.encode(),
            format="png",
            ppi=PNG_DOTS_PER_INCH,
            ignore_system_fonts=True,
            timestamp=0,
            sys_inputs={"svg": svg},
        )
    except typst.TypstError as error:
        raise InternalError(f"picture of a price: {error}") from error


class _Plot:
    def __init__(self, price: Price, curves: Sequence[Curve], marks: Sequence[Mark]) -> None:
        self._price, self._curves, self._marks = price, curves, marks
        points = [each for curve in curves for piece in curve.pieces for each in piece]
        self._end = max(each.quantity for each in points)
        highest = max([each.cost for each in points] + [each.cost for each in marks])
        self._top = Fraction(round_up(highest * Fraction(51, 50))) if highest else Fraction(1)

    def drawn(self) -> str:
        over = model_named(self._price.model).curve_over
        title = f"{self._price.price_id}: cost over {over}"
        note = f"{self._price.model}, cost in {self._price.currency}"
        size = f'width="{WIDTH}" height="{HEIGHT}"'
        box = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        parts = [
            f'<svg {box} {size} role="img" aria-labelledby="t">',
            f'<title id="t">{escape(title)}</title>',
            _STYLE,
            f'<rect class="page" {size} rx="12"/>',
            _text(_LEFT, 32, self._price.price_id, "title"),
            _text(_LEFT, 54, note, "note"),
            *self._grid(),
        ]
        for curve, color in zip(self._curves, _COLORS, strict=False):
            parts += self._curve(curve, color)
        parts += self._labels()
        parts += [part for mark in self._marks for part in self._mark(mark)]
        return "\n".join([*parts, "</svg>", ""])

    def _grid(self) -> list[str]:
        parts = []
        for value in _ticks(self._top):
            y = _number(self._y(value))
            kind = "grid" if value else "axis"
            parts.append(
                f'<line class="{kind}" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
            )
            parts.append(_text(_LEFT - 10, self._y(value) + 4, _shown(value), anchor="end"))
        bottom = HEIGHT - _BOTTOM
        for value in _ticks(self._end):
            x = _number(self._x(value))
            parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 5}"/>')
            parts.append(_text(self._x(value), bottom + 21, _shown(value), anchor="middle"))
        words = _over(self._price) if len(self._curves) == 1 else "units used, of one group alone"
        return [*parts, _text(WIDTH - _RIGHT, HEIGHT - 12, words, "note", "end")]

    def _curve(self, curve: Curve, color: str) -> list[str]:
        few = len(curve.jumps) <= _JUMPS_DRAWN_MAX
        paths = [self._path(piece) for piece in curve.pieces]
        if not few:
            paths = ["M" + " L".join(path[1:] for path in paths)]
        parts = [f'<path class="curve {color}" d="{path}"/>' for path in paths]
        if len(self._curves) == 1:
            parts.insert(0, self._area(curve, color))
        if few:
            parts += [part for jump in curve.jumps for part in self._jump(jump, color)]
        return parts

    def _labels(self) -> list[str]:
        """Beside the ends of the curves, from the top, no two on each other."""
        ends = [self._y(curve.pieces[-1][-1].cost) + 4 for curve in self._curves]
        named = zip(ends, _COLORS, self._curves, strict=False)
        places: list[tuple[float, str, str]] = []
        for end, color, curve in sorted(named, key=lambda each: each[0]):
            above = places[-1][0] if places else 0.0
            places.append((max(end, above + _LABEL_HEIGHT), color, curve.label))
        x = WIDTH - _RIGHT + 8
        return [_text(x, y, label, f"name {color}") for y, color, label in places if label]

    def _area(self, curve: Curve, color: str) -> str:
        path = " L".join(self._path(piece)[1:] for piece in curve.pieces)
        bottom = HEIGHT - _BOTTOM
        return (
            f'<path class="area {color}" d="M{_LEFT},{bottom} L{path}'
            f' L{_number(self._x(self._end))},{bottom} Z"/>'
        )

    def _path(self, piece: Sequence[Point]) -> str:
        return "M" + " L".join(self._place(each.quantity, each.cost) for each in piece)

    def _jump(self, jump: Jump, color: str) -> list[str]:
        cliff = jump.after < jump.before
        kind = "cliff" if cliff else color
        x, ends = _number(self._x(jump.quantity)), (jump.before, jump.after)
        ys = [_number(self._y(each)) for each in ends]
        parts = [f'<line class="jump {kind}" x1="{x}" x2="{x}" y1="{ys[0]}" y2="{ys[1]}"/>']
        for y, end in zip(ys, ends, strict=True):
            shown = "at" if end == jump.at else "open"
            parts.append(f'<circle class="{shown} {kind}" cx="{x}" cy="{y}" r="3.6"/>')
        if cliff:
            word = f"cliff at {_shown(jump.quantity)}"
            at = self._y(jump.before) - 10
            parts.append(_text(self._x(jump.quantity), at, word, "cliff", "middle"))
        return parts

    def _mark(self, mark: Mark) -> list[str]:
        x, y = self._x(mark.quantity), self._y(mark.cost)
        return [
            f'<circle class="mark" cx="{_number(x)}" cy="{_number(y)}" r="6"/>',
            _text(x - 10, y - 10, mark.text, "said", "end"),
        ]

    def _place(self, quantity: Fraction, cost: Fraction) -> str:
        return f"{_number(self._x(quantity))},{_number(self._y(cost))}"

    def _x(self, quantity: Fraction) -> float:
        return float(_LEFT + (WIDTH - _LEFT - _RIGHT) * quantity / self._end)

    def _y(self, cost: Fraction) -> float:
        return float(_TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - cost / self._top))


def _ticks(end: Fraction) -> list[Fraction]:
    """Some round numbers from 0."""
    power = Fraction(1)
    while power * _TICKS_MAX > end:
        power /= 10
    while power * _TICKS_MAX * 10 <= end:
        power *= 10
    step = next(each * power for each in _STEPS if each * power * _TICKS_MAX >= end)
    return [step * at for at in range(int(end / step) + 1)]


def _shown(value: Fraction) -> str:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    whole, _, part = plain(exact).partition(".")
    return f"{int(whole):,}" + (f".{part}" if part else "")


def _over(price: Price) -> str:
    over = model_named(price.model).curve_over
    return "units used" if over == PriceModel.curve_over else over


def _number(value: float) -> str:
    return f"{value:.1f}"


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return (
        f'<text{named} x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
