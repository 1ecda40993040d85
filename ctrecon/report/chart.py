"""Charts that can be printed, and explored in a page: every series and every point has a name in the drawing."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ctrecon.disk.atomic import write_bytes
from ctrecon.evidence.bootstrap import Estimate

COLOURS = ("#222222", "#d55e00", "#cc79a7", "#e69f00", "#0072b2", "#009e73", "#56b4e9", "#8c6bb1", "#a0a000")
# In this order neighbours differ to colour-blind readers too.
MARKERS = "osD^vPX<>"
SUFFIXES = (".pdf", ".png")
DPI = 150


@dataclass
class Chart:
    """A figure whose parts are named.

    Attributes:
        title: What it shows.
        figure: The drawing. The gid of each artist of a series starts with its key and a dot.
        series: The label of each key.
        notes: By gid of a point: what it says.
    """

    title: str
    figure: Figure
    series: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def key(self, label: str) -> str:
        """The key of a series, given when first asked for."""
        known = {name: key for key, name in self.series.items()}
        if label not in known:
            known[label] = f"s{len(self.series)}"
            self.series[known[label]] = label
        return known[label]

    def line(self, axes: Axes, label: str, points: Sequence[tuple[int | float, Estimate, str]]) -> None:
        """A line with its 95 % band: (x, estimate, note) of each point."""
        style, xs = self._style(label), [x for x, *_ in points]
        self._mark(
            label, axes.fill_between(xs, [e.low for _, e, _ in points], [e.high for _, e, _ in points], alpha=0.13, **style, lw=0)
        )
        self._mark(label, *axes.plot(xs, [e.mean for _, e, _ in points], lw=1.4, **style))
        for x, estimate, note in points:
            self._point(axes, label, x, estimate.mean, note)

    def level(self, axes: Axes, label: str, estimate: Estimate, note: str) -> None:
        """A horizontal line, of what does not depend on x."""
        self._mark(label, axes.axhline(estimate.mean, ls="--", lw=1.1, **self._style(label)))
        low, high = axes.get_xlim()
        self._point(axes, label, (low * high) ** 0.5 if axes.get_xscale() == "log" else (low + high) / 2, estimate.mean, note)

    def dot(self, axes: Axes, label: str, y: int | float, estimate: Estimate, note: str) -> None:
        """A horizontal interval with its mean."""
        self._mark(label, *axes.plot([estimate.low, estimate.high], [y, y], lw=2, alpha=0.5, **self._style(label)))
        self._point(axes, label, estimate.mean, y, note)

    def stem(self, axes: Axes, label: str, x: int | float, estimate: Estimate, note: str) -> None:
        """A vertical interval with its mean."""
        self._mark(label, *axes.plot([x, x], [estimate.low, estimate.high], lw=2, alpha=0.5, **self._style(label)))
        self._point(axes, label, x, estimate.mean, note)

    def curve(self, axes: Axes, label: str, xs: Sequence[int | float], ys: Sequence[int | float]) -> None:
        """A thin line without an interval."""
        self._mark(label, *axes.plot(xs, ys, lw=0.9, alpha=0.8, **self._style(label)))

    def legend(self) -> None:
        """One for the whole figure, above it."""
        handles = [
            Line2D([], [], marker=MARKERS[k % len(MARKERS)], color=COLOURS[k % len(COLOURS)], lw=1.4, ms=4, label=str(k))
            for k in range(len(self.series))
        ]
        drawn = self.figure.legend(
            handles=handles, loc="outside upper center", ncols=min(len(handles), 9), fontsize=8, frameon=False
        )
        for text, label in zip(drawn.get_texts(), self.series.values(), strict=True):
            text.set_text(literal(label))  # afterwards: matplotlib leaves out what is labelled with a leading underscore

    def save(self, path: Path) -> None:
        """Write PATH.pdf and PATH.png."""
        save(self.figure, path)

    def _style(self, label: str) -> dict[str, str]:
        return {"color": COLOURS[int(self.key(label)[1:]) % len(COLOURS)]}

    def _point(self, axes: Axes, label: str, x: int | float, y: int | float, note: str) -> None:
        marker = MARKERS[int(self.key(label)[1:]) % len(MARKERS)]
        gid = self._mark(label, *axes.plot([x], [y], marker, ms=4, **self._style(label)))
        self.notes[gid] = note

    def _mark(self, label: str, artist: Artist) -> str:
        key = self.key(label)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        artist.set_gid(f"{key}.{count}")
        return artist.get_gid()

    def __post_init__(self) -> None:
        self._counts: dict[str, int] = {}


def literal(text: str) -> str:
    """A name, written so that matplotlib draws it letter by letter: dollars start no formula, control characters are no part of it."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text).replace("$", r"\$")


@contextmanager
def drawing(**settings: str | int) -> Iterator[None]:
    """matplotlib with these settings while this lasts. Letters that its font lacks are drawn as boxes, without a warning."""
    with warnings.catch_warnings(), matplotlib.rc_context({name.replace("_", ".", 1): value for name, value in settings.items()}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save(figure: Figure, path: Path) -> None:
    """Write PATH.pdf and PATH.png."""
    for suffix in SUFFIXES:
        # Type 42: text stays text in a PDF, as journals ask.
        content = io.BytesIO()
        with drawing(pdf_fonttype=42):
            figure.savefig(content, format=suffix[1:], dpi=DPI, metadata={"CreationDate": None} if suffix == ".pdf" else None)
        write_bytes(path.with_name(path.name + suffix), content.getbuffer())
