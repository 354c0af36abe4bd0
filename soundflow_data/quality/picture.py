"""Draws streams: what is heard, what happens on which track, and after which chunk the assistant speaks.

spectrogram   log-mel, low to high
tracks        one lane each; bars are events, coloured by kind, paler behind; ticks are the ends of words
response      dotted from the evidence down to the chunk that carries it, with its text
decision      one cell per chunk: silent, silent on purpose, or speak
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from soundflow_data.audio.spectrum import FLOOR_DB, log_mel
from soundflow_data.errors import SoundFlowError
from soundflow_data.quality.fonts import HINT, Typeface, any_chinese, is_chinese, typeface
from soundflow_data.targets import Target, Targets, decision_time_s
from soundflow_data.timeline import SAMPLE_RATE, Event, Timeline

DPI: Final = 130

KIND_COLOURS: Final = {"speech": "#3d7ebf", "sound": "#ee8a2a", "music": "#4c9f5a", "noise": "#8d8f94"}
ROLE_STRENGTH: Final = {"foreground": 0.62, "background": 0.34, "ambient": 0.2}  # the rest is white
SPEAK: Final = "#c2255c"
SILENT: Final = "#e9e9ec"
ON_PURPOSE: Final = "#a9d5c1"
INK: Final = "#1f2430"
FAINT: Final = "#7a7f8a"

# Inches.
LEFT, RIGHT, TOP, BOTTOM = 1.05, 0.25, 0.12, 0.62
TITLE, INSTRUCTION, SPECTROGRAM, GAP, BETWEEN = 0.3, 0.2, 0.95, 0.05, 0.46
LANE, BAR, ROW, STRIP = 0.25, 0.19, 0.165, 0.16
MIN_WIDTH, MAX_WIDTH, PER_SECOND = 11.5, 150.0, 0.23
MAX_ROWS = 6
LABEL_PT, SMALL_PT, TITLE_PT = 7.2, 7.0, 9.5
MAX_LABEL = 3.6  # longer responses are cut
ENOUGH = 2.0  # to read the beginning of a response
PAD = 0.04


class Picturable(Protocol):
    """What can be drawn, such as `soundflow_data.Stream`."""

    @property
    def timeline(self) -> Timeline:
        """The plan."""
        ...

    @property
    def targets(self) -> Targets:
        """One decision for each chunk."""
        ...

    @property
    def pcm(self) -> NDArray[np.int16]:
        """int16 (num_samples,), the rendered mix."""
        ...


def picture(streams: Sequence[Picturable], path: Path | str) -> None:
    """Writes a PNG that shows each stream from top to bottom.

    Args:
        streams: A few; each is as wide as the longest needs and about 3 inches high.
        path: The PNG.

    Raises:
        SoundFlowError: There is no stream to draw, or the file cannot be written.
    """
    data = picture_png(streams)
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise SoundFlowError(f"picture {str(path)!r} cannot be written: {error.strerror}") from error


def picture_png(streams: Sequence[Picturable]) -> bytes:
    """Returns the PNG that `picture` writes."""
    if not streams:
        raise SoundFlowError("a picture of no streams; give at least one")
    longest = max(stream.timeline.seconds for stream in streams)
    width = min(MAX_WIDTH, max(MIN_WIDTH, LEFT + RIGHT + PER_SECOND * longest))
    pen = _Pen(width, typeface(any_chinese(itertools.chain.from_iterable(map(_texts, streams)))))
    panels = [_Panel(stream, pen) for stream in streams]
    return pen.draw(panels)


def _texts(stream: Picturable) -> Iterator[str]:
    timeline = stream.timeline
    yield timeline.instruction
    yield from (event.text for event in timeline.events)
    yield from (target.text for target in stream.targets.spoken)


class _Label(msgspec.Struct, frozen=True, kw_only=True):
    """A response and where its text starts: `left` in inches from the stream's start, row 0 nearest to the strip."""

    target: Target
    text: str
    left: float
    row: int


class _Pen:
    """The figure, its fonts, and how wide a text is.

    Args:
        width: Of the figure in inches.
        face: The fonts.
    """

    def __init__(self, width: float, face: Typeface) -> None:
        self.width = width
        self.face = face
        self.figure = Figure(figsize=(width, 1.0), dpi=DPI, facecolor="white")
        self._canvas = FigureCanvasAgg(self.figure)
        self._widths: dict[tuple[str, float, bool], float] = {}
        self.incomplete = False  # whether some text could not be shown

    def font(self, size: float, *, bold: bool = False) -> FontProperties:
        """Returns the font of a size in points."""
        return FontProperties(family=self.face.families, size=size, weight="bold" if bold else "normal")

    def spell(self, text: str) -> str:
        """Returns the text as far as it can be shown."""
        spelt = self.face.spell(text)
        self.incomplete |= is_chinese(text) and spelt != " ".join(text.split())
        return spelt

    def measure(self, text: str, size: float = LABEL_PT, *, bold: bool = False) -> float:
        """Returns the width of a text in inches."""
        key = (text, size, bold)
        if key not in self._widths:
            renderer = self._canvas.get_renderer()
            extent, _, _ = renderer.get_text_width_height_descent(text, self.font(size, bold=bold), ismath=False)
            self._widths[key] = extent / DPI
        return self._widths[key]

    def shorten(self, text: str, room: float, size: float = LABEL_PT) -> str:
        """Cuts a text with an ellipsis so that it fits; empty when not even two letters do."""
        if self.measure(text, size) <= room:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.measure(text[:middle] + "…", size) <= room else (low, middle - 1)
        return text[:low].rstrip(" ,.;:，。；：") + "…" if low >= 2 else ""

    def draw(self, panels: Sequence[_Panel]) -> bytes:
        """Draws the panels below each other, and the legend; returns the PNG."""
        bottom = BOTTOM + (0.17 if self.incomplete else 0.0)
        height = TOP + bottom + sum(panel.height for panel in panels) + BETWEEN * (len(panels) - 1)
        self.figure.set_size_inches(self.width, height)
        top = height - TOP
        for panel in panels:
            panel.draw(top)
            top -= panel.height + BETWEEN
        self._legend()
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()

    def axes(self, top: float, height: float) -> Axes:
        """Adds axes without frame that span the width; `top` is inches from the bottom of the figure."""
        full = self.figure.get_figheight()
        box = (LEFT / self.width, (top - height) / full, (self.width - LEFT - RIGHT) / self.width, height / full)
        axes = self.figure.add_axes(box)
        axes.tick_params(length=2.5, width=0.6, labelsize=SMALL_PT, colors=FAINT, pad=2)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def text(self, axes: Axes, x: float, y: float, text: str, *, size: float = LABEL_PT, **style: Any) -> None:
        """Writes a text; what looks like mathematics stays as it is."""
        bold = bool(style.pop("bold", False))
        axes.text(x, y, text, font=self.font(size, bold=bold), parse_math=False, **{"color": INK, **style})

    def _legend(self) -> None:
        handles: list[Any] = [
            Patch(facecolor=_blend(colour, ROLE_STRENGTH["foreground"]), edgecolor=colour, linewidth=0.6, label=kind)
            for kind, colour in KIND_COLOURS.items()
        ]
        handles += [
            Patch(facecolor=_blend(KIND_COLOURS["sound"], ROLE_STRENGTH["ambient"]), label="paler: further behind"),
            Line2D([], [], color=INK, marker="|", markersize=5, linestyle="none", label="end of a word"),
            Line2D([], [], color=SPEAK, linewidth=0.9, linestyle=":", label="evidence complete"),
            Patch(facecolor=SPEAK, label="speak"),
            Patch(facecolor=SILENT, label="silent"),
            Patch(facecolor=ON_PURPOSE, label="silent on purpose"),
        ]
        height = self.figure.get_figheight()
        above = 0.2 if self.incomplete else 0.03
        self.figure.legend(
            handles=handles, loc="lower center", ncols=len(handles), frameon=False, prop=self.font(SMALL_PT + 0.5),
            labelcolor=INK, handlelength=1.2, handletextpad=0.5, columnspacing=1.4,
            bbox_to_anchor=(0.5, above / height),
        )  # fmt: skip
        if self.incomplete:
            font = self.font(SMALL_PT)
            self.figure.text(0.5, 0.07 / height, HINT, font=font, color=FAINT, ha="center", va="bottom")


class _Panel:
    """One stream.

    Args:
        stream: What to draw.
        pen: Draws it.
    """

    def __init__(self, stream: Picturable, pen: _Pen) -> None:
        self._timeline = stream.timeline
        self._targets = stream.targets
        self._pcm = stream.pcm
        self._pen = pen
        self._per_second = (pen.width - LEFT - RIGHT) / stream.timeline.seconds
        self._lanes = _lanes(stream.timeline)
        self._lanes_height = LANE * sum(len(rows) for _, rows in self._lanes)
        self._floor: dict[int, float] = {}  # lower edge of the bar of an event, in inches
        self._labels = self._place_labels()
        self._rows = 1 + max((label.row for label in self._labels), default=0)
        self._head = TITLE + (INSTRUCTION if stream.timeline.instruction else 0.0)
        self._body = self._lanes_height + ROW * self._rows + 0.06 + STRIP
        self.height = self._head + SPECTROGRAM + GAP + self._body

    def draw(self, top: float) -> None:
        """Draws the stream below `top`, in inches from the bottom of the figure."""
        self._draw_title(top)
        self._draw_spectrogram(top - self._head)
        axes = self._pen.axes(top - self._head - SPECTROGRAM - GAP, self._body)
        axes.set_xlim(0, self._timeline.seconds)
        axes.set_ylim(0, self._body)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(nbins=max(4, int(self._pen.width * 1.6)), steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter("{x:g} s")
        self._draw_lanes(axes)
        self._draw_responses(axes)
        self._draw_decisions(axes)

    # -- above -------------------------------------------------------------------------------------------------------

    def _draw_title(self, top: float) -> None:
        timeline, pen = self._timeline, self._pen
        axes = pen.axes(top, self._head)
        axes.set_axis_off()
        axes.set_xlim(0, pen.width - LEFT - RIGHT)
        axes.set_ylim(-self._head, 0)
        name = timeline.subtask.replace("_", " ")
        facts = [
            timeline.ability.replace("_", " "),
            {"en": "English", "zh": "Mandarin"}.get(timeline.language, timeline.language),
            f"{timeline.seconds:.1f} s",
            f"{len(self._targets)} chunks",
            f"{len(self._targets.spoken)} spoken",
            *([] if timeline.snr_db is None else [f"SNR {timeline.snr_db:.0f} dB"]),
        ]
        pen.text(axes, 0, -0.14, name, size=TITLE_PT, bold=True, va="center")
        at = pen.measure(name, TITLE_PT, bold=True) + 0.12
        pen.text(axes, at, -0.145, " · ".join(facts), size=SMALL_PT + 0.8, color=FAINT, va="center")
        right = pen.width - LEFT - RIGHT
        pen.text(axes, right, -0.145, timeline.key, size=SMALL_PT + 0.8, color=FAINT, va="center", ha="right")
        if timeline.instruction:
            text = pen.shorten("instruction: " + pen.spell(timeline.instruction), right, LABEL_PT + 0.8)
            pen.text(axes, 0, -TITLE - 0.05, text, size=LABEL_PT + 0.8, style="italic", va="center")

    def _draw_spectrogram(self, top: float) -> None:
        axes = self._pen.axes(top, SPECTROGRAM)
        mel = log_mel(self._pcm)
        peak = float(mel.max(initial=FLOOR_DB + 1))
        low = max(FLOOR_DB, float(np.percentile(mel, 3))) if mel.size else FLOOR_DB
        axes.imshow(
            mel.T, origin="lower", aspect="auto", cmap="magma", vmin=min(low, peak - 20), vmax=peak - 3,
            extent=(0, len(self._pcm) / SAMPLE_RATE, 0, mel.shape[1]), interpolation="antialiased",
        )  # fmt: skip
        axes.set_xlim(0, self._timeline.seconds)
        axes.set_xticks([])
        axes.set_yticks([_mel_band(hz, mel.shape[1]) for hz in (500, 2000)], ["500 Hz", "2 kHz"])

    # -- tracks ------------------------------------------------------------------------------------------------------

    def _draw_lanes(self, axes: Axes) -> None:
        y = self._body
        for track, rows in self._lanes:
            height = LANE * len(rows)
            place = (-0.1 / (self._pen.width - LEFT - RIGHT), y - height / 2)
            transform = axes.get_yaxis_transform()
            self._pen.text(axes, *place, track, size=SMALL_PT + 0.8, ha="right", va="center", transform=transform)
            for row in rows:
                self._draw_row(axes, [self._timeline.events[i] for i in row], y - LANE / 2)
                self._floor.update(dict.fromkeys(row, y - (LANE + BAR) / 2))
                y -= LANE
            axes.axhline(y, color="#d9dbe0", linewidth=0.5, zorder=0)

    def _draw_row(self, axes: Axes, row: Sequence[Event], middle: float) -> None:
        low, high = middle - BAR / 2, middle + BAR / 2
        colours = [_blend(KIND_COLOURS[event.kind], ROLE_STRENGTH[event.role]) for event in row]
        edges = [_blend(KIND_COLOURS[event.kind], min(1.0, ROLE_STRENGTH[event.role] + 0.25)) for event in row]
        shapes = [_bar(event, low, high) for event in row]
        axes.add_collection(
            PolyCollection(shapes, facecolors=colours, edgecolors=edges, linewidths=0.6, zorder=2), autolim=False
        )
        ends = [word.end / SAMPLE_RATE for event in row for word in event.words]
        lines = [((x, low), (x, low + 0.045)) for x in ends]
        axes.add_collection(LineCollection(lines, colors=INK, linewidths=0.6, zorder=3), autolim=False)
        starts = [event.onset / SAMPLE_RATE for event in row]
        shown = ""
        for event, start, following in zip(row, starts, [*starts[1:], self._timeline.seconds], strict=True):
            text = event.text or event.label.replace("_", " ") or event.kind
            if event.kind == "noise" and text == shown:
                continue  # a bed is one sound in many tiles
            shown = text
            if event.kind == "noise":
                following = self._timeline.seconds  # noqa: PLW2901 - the name of a bed may run over its tiles
            room = (following - start) * self._per_second - 2 * PAD
            label = self._pen.shorten(self._pen.spell(text), room)
            self._pen.text(axes, start + PAD / self._per_second, middle + 0.018, label, va="center", zorder=4)

    # -- responses ---------------------------------------------------------------------------------------------------

    def _place_labels(self) -> list[_Label]:
        """Finds the fewest rows in which no text has to be cut, and cuts texts when there are not enough."""
        for num_rows in range(1, MAX_ROWS + 1):
            labels, cut = self._try_rows(num_rows)
            if not cut:
                break
        return labels

    def _try_rows(self, num_rows: int) -> tuple[list[_Label], bool]:
        """Places texts so that the line from a text down to its chunk crosses no other text.

        The first text of a crowd takes the highest row that is free all the way down, the next one the row below it,
        and so on; the lines, which stand at the left end of each text, then never meet a text.
        """
        free_from = [0.0] * num_rows
        labels: list[_Label] = []
        last = -1  # label in row 0
        cut = False
        for target in self._targets.spoken:
            x = decision_time_s(target, self._targets.chunk) * self._per_second
            text, left = self._beside(x, self._spell(target), labels)
            width = self._pen.measure(text) + 2 * PAD
            row = next((r for r in range(num_rows) if free_from[r] > left), num_rows) - 1
            if row < 0:
                row, cut = 0, True
                if last >= 0:
                    room = max(0.0, left - labels[last].left - 2 * PAD)
                    labels[last] = msgspec.structs.replace(
                        labels[last], text=self._pen.shorten(labels[last].text, room)
                    )
            last = len(labels) if row == 0 else last
            labels.append(_Label(target=target, text=text, left=left, row=row))
            free_from[row] = max(x, left + width + PAD)
        return labels, cut

    def _beside(self, x: float, text: str, labels: Sequence[_Label]) -> tuple[str, float]:
        """Returns a text, cut to fit beside its line, and where it starts: after the line, or before it at the end."""
        room = self._timeline.seconds * self._per_second - x
        text = self._pen.shorten(text, MAX_LABEL)
        width = self._pen.measure(text) + 2 * PAD
        lines = (decision_time_s(label.target, self._targets.chunk) * self._per_second for label in labels)
        if width <= room:
            return text, x
        if room > ENOUGH or x < width or max(lines, default=0.0) > x - width:
            return self._pen.shorten(text, room - 2 * PAD), x
        return text, x - width

    def _spell(self, target: Target) -> str:
        calls = [self._timeline.responses[i].call for i in target.responses]
        named = [f"{call.name}({', '.join(map(str, call.arguments.values()))})" for call in calls if call is not None]
        return self._pen.spell(" ".join([target.text, *named]).strip())

    def _draw_responses(self, axes: Axes) -> None:
        lanes = self._body - self._lanes_height
        evidence, waits, leaders = [], [], []
        for label in self._labels:
            y = STRIP + 0.06 + ROW * (label.row + 0.5)
            decided = decision_time_s(label.target, self._targets.chunk)
            x = (label.left + PAD) / self._per_second
            self._pen.text(axes, x, y, label.text, va="center", color=SPEAK, zorder=5)
            leaders.append(((decided, STRIP), (decided, y + ROW / 2 - 0.02)))
            for i in label.target.responses:
                response = self._timeline.responses[i]
                x = response.evidence / SAMPLE_RATE
                latest = max(response.events, key=lambda i: self._timeline.events[i].onset, default=-1)
                evidence.append(((x, lanes), (x, self._floor.get(latest, self._body))))
                waits.append(((x, lanes), (decided, lanes)))
        for lines, width, style in ((evidence, 0.9, ":"), (waits, 0.9, "-"), (leaders, 0.7, "-")):
            axes.add_collection(
                LineCollection(lines, colors=SPEAK, linewidths=width, linestyles=style, zorder=3), autolim=False
            )
        self._draw_row_name(axes, "response", STRIP + 0.06 + ROW * self._rows / 2)

    def _draw_decisions(self, axes: Axes) -> None:
        seconds = self._targets.chunk / SAMPLE_RATE
        colours = [SILENT] * len(self._targets)
        for silence in self._timeline.silences:
            first, last = silence.start // self._targets.chunk, -(-silence.end // self._targets.chunk)
            colours[first:last] = [ON_PURPOSE] * (min(last, len(colours)) - first)
        for target in self._targets.spoken:
            colours[target.chunk] = SPEAK
        cells = [[(k * seconds, 0), ((k + 1) * seconds, 0), ((k + 1) * seconds, STRIP), (k * seconds, STRIP)]
                 for k in range(len(colours))]  # fmt: skip
        axes.add_collection(
            PolyCollection(cells, facecolors=colours, edgecolors="white", linewidths=0.6, zorder=2), autolim=False
        )
        self._draw_row_name(axes, "decision", STRIP / 2)

    def _draw_row_name(self, axes: Axes, name: str, y: float) -> None:
        x, transform = -0.1 / (self._pen.width - LEFT - RIGHT), axes.get_yaxis_transform()
        self._pen.text(axes, x, y, name, size=SMALL_PT + 0.8, ha="right", va="center", color=SPEAK, transform=transform)


def _lanes(timeline: Timeline) -> list[tuple[str, list[list[int]]]]:
    """Returns the tracks from people over sounds to beds, each with rows of events that do not overlap, by index."""
    tracks: dict[str, list[int]] = {}
    for i, event in enumerate(timeline.events):
        tracks.setdefault(event.track, []).append(i)
    order = {"speech": 0, "music": 1, "sound": 1, "noise": 2}
    behind = {"foreground": 0, "background": 1, "ambient": 2}

    def rank(track: str) -> tuple[int, int, str]:
        first = timeline.events[tracks[track][0]]
        return order[first.kind], behind[first.role], track

    return [(track, _rows(timeline.events, tracks[track])) for track in sorted(tracks, key=rank)]


def _rows(events: Sequence[Event], indices: Sequence[int]) -> list[list[int]]:
    rows: list[list[int]] = []
    for i in sorted(indices, key=lambda i: (events[i].onset, events[i].end)):
        # The tiles of a bed overlap where they cross, on purpose.
        fits = (row for row in rows if events[i].kind == "noise" or events[row[-1]].end <= events[i].onset)
        row = next(fits, None)
        if row is None:
            rows.append([i])
        else:
            row.append(i)
    return rows


def _bar(event: Event, low: float, high: float) -> list[tuple[float, float]]:
    """Returns the corners of an event's bar, slanted where it is faded."""
    start, end = event.onset / SAMPLE_RATE, event.end / SAMPLE_RATE
    rise, fall = event.fade_in / SAMPLE_RATE, event.fade_out / SAMPLE_RATE
    return [(start, low), (start + rise, high), (end - fall, high), (end, low)]


def _blend(colour: str, strength: float) -> tuple[float, float, float]:
    """Mixes a colour with white, so that bars stay opaque."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return tuple(1 - strength * (1 - part) for part in (red, green, blue))  # type: ignore[return-value]


def _mel_band(hz: float, num_mels: int) -> float:
    top = np.log10(1 + SAMPLE_RATE / 2 / 700)
    return float(np.log10(1 + hz / 700) / top * num_mels)
