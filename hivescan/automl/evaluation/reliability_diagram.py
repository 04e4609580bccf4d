"""A reliability diagram as SVG: accuracy by confidence, before and after the temperature."""

from __future__ import annotations

from typing import Final

from hivescan.automl.evaluation.calibration import Calibration, Reliability

_SIDE: Final = 300
_MARGIN: Final = 44
_ROOM: Final = _SIDE - _MARGIN - 8


def reliability_diagram(calibration: Calibration) -> str:
    """The picture with its legend; colours are those of the page's style."""
    parts = [
        f'<svg class="chart" viewBox="0 0 {_SIDE} {_SIDE}" role="img" '
        'aria-label="Reliability diagram: accuracy by confidence in fifteen bins">'
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = _across(tick), _upward(tick)
        parts += [
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_upward(0):.1f}" y2="{_upward(1):.1f}"/>',
            f'<line class="grid" x1="{_across(0):.1f}" x2="{_across(1):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text x="{x:.1f}" y="{_SIDE - 20}" text-anchor="middle">{tick:g}</text>',
            f'<text x="{_MARGIN - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>',
        ]
    parts += [
        f'<text x="{_across(0.5):.1f}" y="{_SIDE - 4}" text-anchor="middle">mean highest score</text>',
        '<text text-anchor="middle" '
        f'transform="translate(10 {_upward(0.5):.1f}) rotate(-90)">accuracy</text>',
        f'<line class="ideal" x1="{_across(0):.1f}" y1="{_upward(0):.1f}" '
        f'x2="{_across(1):.1f}" y2="{_upward(1):.1f}"/>',
        *_series(calibration.before, "before"),
    ]
    legend = "Each dot is a fifteenth of the scores, larger with more items; the dashed line is perfect."
    if calibration.after is not None:
        parts += _series(calibration.after, "after")
        legend += " Orange: as they are. Blue: at the temperature."
    return "\n".join([*parts, "</svg>", f'<p class="quiet">{legend}</p>'])


def _series(reliability: Reliability, name: str) -> list[str]:
    points = [
        (_across(part.confidence), _upward(part.accuracy), part.n)
        for part in reliability.bins
        if part.confidence is not None and part.accuracy is not None
    ]
    path = "".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y, _) in enumerate(points))
    most = max((n for *_, n in points), default=1)
    return [
        f'<path class="{name}" d="{path}"/>',
        *(
            f'<circle class="{name}-dot" cx="{x:.1f}" cy="{y:.1f}" r="{2 + 4 * (n / most) ** 0.5:.1f}"/>'
            for x, y, n in points
        ),
    ]


def _across(value: float) -> float:
    return _MARGIN + value * _ROOM


def _upward(value: float) -> float:
    return _SIDE - _MARGIN - value * _ROOM
