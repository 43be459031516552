"""Small graphs as SVG: panels side by side, each with lines over the same places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Final

_WIDTH: Final = 360
_HEIGHT: Final = 260
_LEFT: Final = 70
_RIGHT: Final = 20
_TOP: Final = 40
_BOTTOM: Final = 45
_LINES: Final = 4
_COLORS: Final = ("#1f6feb", "#d97706", "#2da44e", "#a40e4c")
_STEPS: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Panel:
    """A title, and values by the name of their line, one for each place."""

    title: str
    lines: Mapping[str, Sequence[float]]


def draw(axis: str, places: Sequence[str], *panels: Panel) -> str:
    """An SVG document: `panels` over `places`, evenly spaced, along an axis of this name."""
    width = _WIDTH * len(panels)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}"'
            ' font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{width}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for at, panel in enumerate(panels):
        parts += _panel(at * _WIDTH, axis, places, panel)
    return "\n".join([*parts, "</svg>", ""])


def _panel(x: int, axis: str, places: Sequence[str], panel: Panel) -> list[str]:
    top = _ceiling(max(value for values in panel.lines.values() for value in values))
    parts = [_text(x + _WIDTH / 2, 20, panel.title, "middle")]
    for line in range(_LINES + 1):
        value = top * line / _LINES
        y = _y(value, top)
        parts.append(
            f'<line x1="{x + _LEFT}" x2="{x + _WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
            ' stroke="#d0d7de"/>'
        )
        parts.append(_text(x + _LEFT - 6, y + 4, f"{_short(value)}", "end"))
    xs = [_x(x, at, len(places)) for at in range(len(places))]
    for place, name in zip(xs, places, strict=True):
        parts.append(_text(place, _HEIGHT - _BOTTOM + 18, name, "middle"))
    parts.append(_text(x + _WIDTH / 2, _HEIGHT - 8, axis, "middle"))
    for (name, values), color in zip(panel.lines.items(), _COLORS, strict=False):
        points = [(place, _y(value, top)) for place, value in zip(xs, values, strict=True)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{color}"/>' for px, py in points
        ]
        if name:
            parts.append(_text(xs[-1], points[-1][1] - 8, name, "end", color))
    return parts


def _short(value: float) -> str:
    """A number at an axis, never with an exponent."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _ceiling(value: float) -> float:
    """The next round number."""
    unit = 10.0 ** (ceil(log10(value)) - 1) if value > 0 else 1.0
    return next(step * unit for step in _STEPS if step * unit >= value)


def _x(x: int, at: int, many: int) -> float:
    room = _WIDTH - _LEFT - _RIGHT
    return x + _LEFT + room * (at + 0.5) / many


def _y(value: float, top: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


def _text(x: float, y: float, text: str, anchor: str, color: str = "#24292f") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{text}</text>'
