"""Bars and histograms as inline SVG, which any browser draws without a script or a font of its own."""

from __future__ import annotations

from html import escape
from typing import Final

from soundflow_data.quality.check.verdict import Chart

WIDTH: Final = 480
LABEL: Final = 190
ROW: Final = 19
HEIGHT: Final = 150  # of a histogram
MANY_BARS: Final = 10


def number(value: float, unit: str) -> str:
    """Returns a number with its unit, such as `2.5%` or `-23.4 dBFS`."""
    if unit == "share":
        return f"{100 * value:.1f}%"
    digits = 0 if value == round(value) else 2 if abs(value) < 10 else 1
    return f"{value:,.{digits}f} {unit}".rstrip()


def chart_svg(chart: Chart) -> str:
    """Returns a chart with its title, as a piece of HTML."""
    drawing = _histogram(chart) if chart.edges else _bars(chart)
    tall = ' class="tall"' if len(chart.labels) > MANY_BARS else ""
    legend = '<p class="legend">bar: found &nbsp; line: asked for</p>' if chart.wanted else ""
    return f"<div{tall}><h3>{escape(chart.title)}</h3>{drawing}{legend}</div>"


def _bars(chart: Chart) -> str:
    """Draws one horizontal bar for each label, and a line where it should end."""
    room = WIDTH - LABEL - 70
    most = max([*chart.values, *chart.wanted, 0.0]) or 1.0
    parts = []
    for i, (label, value) in enumerate(zip(chart.labels, chart.values, strict=True)):
        y = i * ROW
        width = max(0.0, value) / most * room
        parts.append(f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(_short(label))}</text>')
        parts.append(f'<rect class="bar" x="{LABEL}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" rx="2"/>')
        end = width
        if chart.wanted:
            x = LABEL + chart.wanted[i] / most * room
            parts.append(f'<line class="want" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 1}" y2="{y + ROW - 1}"/>')
            end = max(end, x - LABEL)
        shown = escape(number(value, chart.unit))
        parts.append(f'<text class="faint" x="{LABEL + end + 6:.1f}" y="{y + 13}">{shown}</text>')
    return _svg(WIDTH, max(ROW, len(chart.labels) * ROW), chart.title, "".join(parts))


def _histogram(chart: Chart) -> str:
    """Draws one column for each bin, with the ends and the middle of the axis, and the largest count."""
    most = max(chart.values, default=0.0) or 1.0
    step = WIDTH / max(1, len(chart.values))
    parts = []
    for i, value in enumerate(chart.values):
        height = value / most * (HEIGHT - 36)
        low, high = (number(edge, chart.edge_unit) for edge in chart.edges[i : i + 2])
        parts.append(
            f'<rect class="bar" x="{i * step + 1:.1f}" y="{HEIGHT - 20 - height:.1f}" width="{step - 2:.1f}" '
            f'height="{height:.1f}" rx="2"><title>{escape(f"{low} to {high}: {value:,.0f}")}</title></rect>'
        )
    parts.append(f'<line class="axis" x1="0" x2="{WIDTH}" y1="{HEIGHT - 20}" y2="{HEIGHT - 20}"/>')
    middle = (chart.edges[0] + chart.edges[-1]) / 2
    for x, edge, anchor in (
        (0, chart.edges[0], "start"),
        (WIDTH // 2, middle, "middle"),
        (WIDTH, chart.edges[-1], "end"),
    ):
        shown = escape(number(edge, chart.edge_unit))
        parts.append(f'<text class="faint" x="{x}" y="{HEIGHT - 5}" text-anchor="{anchor}">{shown}</text>')
    parts.append(f'<text class="faint" x="0" y="11">{most:,.0f}</text>')
    return _svg(WIDTH, HEIGHT, chart.title, "".join(parts))


def _svg(width: int, height: int, title: str, content: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{content}</svg>'


def _short(label: str) -> str:
    return label if len(label) <= 32 else f"{label[:31]}…"
