"""The verdict on a corpus as one page: HTML with its style, drawings and sound inside, so that it opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from soundflow_data.quality.charts import chart_svg, number
from soundflow_data.quality.check.verdict import Measure, Result, Verdict
from soundflow_data.quality.picture import Picturable
from soundflow_data.quality.player import player_html
from soundflow_data.version import VERSION

MAX_REASONS = 20  # of a check; the JSON has all


def report_html(verdict: Verdict, streams: Sequence[Picturable] = ()) -> str:
    """Returns the page.

    Args:
        verdict: What the checks found.
        streams: A few, which can be heard and seen; each adds about 1 MB a minute.
    """
    page = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    parts = {
        "title": escape(f"{verdict.name}: {'passed' if verdict.ok else 'failed'}"),
        "header": _header(verdict),
        "cards": "\n".join(map(_card, verdict.results)),
        "streams": _streams(streams),
        "checks": "\n".join(map(_section, verdict.results)),
        "footer": f"Made by <code>soundflow check</code>, SoundFlow {escape(VERSION)}. Bounds are the section "
        "<code>checks</code> of the recipe.",
    }
    for name, part in parts.items():
        page = page.replace("{{" + name + "}}", part, 1)
    return page


def _header(verdict: Verdict) -> str:
    failed = sum(not result.ok for result in verdict.results)
    pill = _pill(verdict.ok, "all checks pass" if verdict.ok else f"{failed} of {len(verdict.results)} checks fail")
    hours = verdict.seconds / 3600
    facts = (
        (f"{verdict.streams:,}", "streams"),
        (f"{hours:,.2f}" if hours < 100 else f"{hours:,.0f}", "hours"),
        (f"{verdict.shards:,}", "shards"),
        (f"{verdict.fingerprint[:16]}", "fingerprint"),
    )
    listed = "".join(f"<span><b>{escape(value)}</b> {escape(name)}</span>" for value, name in facts)
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in verdict.notes)
    return f'<div class="top"><h1>{escape(verdict.name)}</h1>{pill}</div><div class="facts">{listed}</div>{notes}'


def _pill(ok: bool, text: str) -> str:
    return f'<span class="pill {"good" if ok else "bad"}">{escape(text)}</span>'


def _card(result: Result) -> str:
    shown = result.failures or tuple(measure for measure in result.measures if measure.judged)
    first = "; ".join(f"{_named(measure)}: {number(measure.value, measure.unit)}" for measure in shown[:1])
    state = "ok" if result.ok else "failed"
    return (
        f'<a class="card{"" if result.ok else " failed"}" href="#{result.check}">'
        f"<b><span>{escape(result.check)}</span><i>{state}</i></b>{escape(first)}</a>"
    )


def _streams(streams: Sequence[Picturable]) -> str:
    if not streams:
        return ""
    legend = "".join(
        f'<span class="swatch" style="background:var(--{name})"></span>{text}'
        for name, text in (
            ("speech", "speech"),
            ("sound", "sound"),
            ("music", "music"),
            ("noise", "noise bed"),
            ("purpose", "kept silent on purpose"),
            ("speak", "the assistant speaks"),
        )
    )
    players = "\n".join(map(player_html, streams))
    return (
        '<section id="streams"><h2>A few streams</h2><p class="summary">Click on a plan to hear it from there.</p>'
        f'<p class="legend">{legend}</p>{players}</section>'
    )


def _section(result: Result) -> str:
    whole = [measure for measure in result.measures if not measure.group]
    parted = [measure for measure in result.measures if measure.group]
    charts = "".join(map(chart_svg, result.charts))
    return (
        f'<section id="{result.check}"><div class="top"><h2>{escape(result.check)}</h2>'
        f"{_pill(result.ok, 'ok' if result.ok else 'failed')}</div>"
        f'<p class="summary">{escape(result.summary)}</p>'
        f"{_measures(whole)}{_parted(parted)}{_reasons(result)}"
        f'{f"""<div class="charts">{charts}</div>""" if charts else ""}</section>'
    )


def _measures(measures: Sequence[Measure]) -> str:
    if not measures:
        return ""
    rows = "".join(
        f'<tr{"" if measure.ok else " class=no-row"}><td class="mark">{_mark(measure)}</td>'
        f"<td>{escape(measure.name)}</td>"
        f'<td class="n">{escape(number(measure.value, measure.unit))}</td>'
        f'<td class="n">{escape(_bounds(measure))}</td></tr>'
        for measure in measures
    )
    head = '<tr><th></th><th>measured</th><th class="n">found</th><th class="n">bound</th></tr>'
    return f'<div class="wide"><table>{head}{rows}</table></div>'


def _parted(measures: Sequence[Measure]) -> str:
    """Returns a table with one row for each ability, split or sub-task, and one column for each measure."""
    if not measures:
        return ""
    names = list(dict.fromkeys(measure.name for measure in measures))
    groups = list(dict.fromkeys(measure.group for measure in measures))
    found = {(measure.group, measure.name): measure for measure in measures}
    head = "".join(f'<th class="n">{escape(name)}</th>' for name in names)
    rows = ""
    for group in groups:
        cells = "".join(_cell(found.get((group, name))) for name in names)
        rows += f"<tr><td>{escape(group)}</td>{cells}</tr>"
    return f'<h3>In parts</h3><div class="wide"><table><tr><th></th>{head}</tr>{rows}</table></div>'


def _cell(measure: Measure | None) -> str:
    if measure is None:
        return '<td class="n"></td>'
    shown = escape(number(measure.value, measure.unit))
    if not measure.judged:
        return f'<td class="n">{shown}</td>'
    bound = f' <span class="keys">({escape(_bounds(measure))})</span>'
    return f'<td class="n {"ok" if measure.ok else "no"}">{shown}{bound}</td>'


def _mark(measure: Measure) -> str:
    if not measure.judged:
        return ""
    return '<span class="ok">✓</span>' if measure.ok else '<span class="no">✗</span>'


def _bounds(measure: Measure) -> str:
    low, high = (None if bound is None else number(bound, measure.unit) for bound in (measure.low, measure.high))
    if low is not None and high is not None:
        return low if low == high else f"{low.removesuffix(measure.unit).removesuffix('%').rstrip()} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""


def _reasons(result: Result) -> str:
    if not result.reasons:
        return ""
    rows = "".join(
        f'<tr><td class="n count">{reason.count:,}</td><td>{escape(reason.reason)}</td>'
        f'<td class="keys"><code>{escape(", ".join(reason.keys))}</code></td></tr>'
        for reason in result.reasons[:MAX_REASONS]
    )
    if len(result.reasons) > MAX_REASONS:
        rows += f"<tr><td></td><td>and {len(result.reasons) - MAX_REASONS:,} more reasons</td><td></td></tr>"
    head = '<tr><th class="n count">count</th><th>reason</th><th>such as</th></tr>'
    return f'<h3>By reason</h3><div class="wide"><table>{head}{rows}</table></div>'


def _named(measure: Measure) -> str:
    return f"{measure.name} ({measure.group})" if measure.group else measure.name
