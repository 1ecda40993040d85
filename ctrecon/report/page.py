"""A report as one HTML file that needs nothing else: no network, no server, no other file.

Numbers, charts and tables are in the file as text and are read without JavaScript. JavaScript adds what paper cannot do: hiding
series, asking a point for its number, comparing pictures, one image at a time. What a run says about itself (names, commands)
is escaped wherever it stands; an image is stored in steps of 1/65535 of its own range.
"""

import base64
import io
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jinja2
import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from ctrecon.disk.atomic import write_text
from ctrecon.report.chart import Chart, drawing

ROOM = Path(__file__).parent
SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"  # names, nothing is fetched from there
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", LINK)


@dataclass(frozen=True)
class Slide:
    """Pictures of one slice.

    Attributes:
        label: Which slice.
        pictures: (H, W) each, by name. The first, the truth, sets the grey scale.
        captions: What to say under a picture, such as its PSNR, by its name.
    """

    label: str
    pictures: dict[str, Float[np.ndarray, "H W"]]
    captions: dict[str, str]


@dataclass(frozen=True)
class Scatter:
    """Contestants against one of them, image by image.

    Attributes:
        baseline: Whose values are across.
        names: Whose values may be upwards.
        turns: Angles in degrees, as in the table.
        labels: What each image is called.
        values: values[name][turn][image] in dB, the mean over seeds; of the baseline too.
    """

    baseline: str
    names: list[str]
    turns: list[str]
    labels: list[str]
    values: dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Record:
    """How a run was made (the exact command and what it ran on), and the rows of its certificate."""

    name: str
    command: str
    environment: dict[str, str]
    certificate: list[dict[str, str]]


@dataclass(frozen=True)
class Page:
    """What a report says, in the order in which it is read; a part without content is left out."""

    title: str
    summary: list[str]
    charts: list[Chart] = field(default_factory=list)
    tables: list[tuple[str, list[dict[str, str]]]] = field(default_factory=list)
    slides: list[Slide] = field(default_factory=list)
    scatter: Scatter | None = None
    records: list[Record] = field(default_factory=list)
    verdict: list[dict[str, str]] = field(default_factory=list)  # below the summary


def write_page(page: Page, out: Path) -> None:
    """Write the report to the file `out`. The same page gives the same bytes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_page(Page("Study", ["c4 < plain"]), Path(folder) / "report.html")
        ...     "c4 &lt; plain" in (Path(folder) / "report.html").read_text()
        True
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOM), autoescape=True, undefined=jinja2.StrictUndefined, lstrip_blocks=True
    )
    # What comes first stays first; a NaN would make the JSON unreadable.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False, "separators": (",", ":")}
    environment.globals["columns"] = _columns
    text = environment.get_template("page.html").render(
        page=page,
        charts=[_drawn(chart, f"chart{number}-") for number, chart in enumerate(page.charts)],
        data=_pictures(page.slides) | {"scatter": page.scatter and _finite(page.scatter)},
        css=Markup((ROOM / "page.css").read_text(encoding="utf-8")),
        js=Markup((ROOM / "page.js").read_text(encoding="utf-8")),
    )
    write_text(out, text)


def _drawn(chart: Chart, prefix: str) -> dict[str, Any]:
    """The chart as inline SVG, marked for the page's script, and the colour of each series."""
    text = io.BytesIO()
    with drawing(svg_fonttype="none", svg_hashsalt="ctrecon"):
        chart.figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Type", "Format")))
    root = ElementTree.fromstring(text.getvalue())
    for child in list(root):
        if child.tag == f"{{{SVG}}}metadata" or child.find(f"{{{SVG}}}style") is not None:
            root.remove(child)  # a style inside an inline SVG would hold for the whole page: page.css has it
    colours = {key: Counter() for key in chart.series}
    for element in root.iter():
        gid = element.get("id", "")
        if (key := gid.partition(".")[0]) in chart.series:
            element.set("data-series", key)
            for inner in element.iter():
                colours[key].update(re.findall(r"(?:stroke|fill): (#[0-9a-f]{6})", inner.get("style", "")))
        if gid in chart.notes:
            element.set("class", "point")
            element.set("role", "img")
            element.set("aria-label", chart.notes[gid])
        for name, value in element.attrib.items():  # charts of one page must not share ids: clip paths and markers would mix
            if name == "id":
                element.set(name, prefix + value)
            elif name == f"{{{LINK}}}href":
                element.set(name, value.replace("#", f"#{prefix}", 1))
            elif "url(#" in value:
                element.set(name, value.replace("url(#", f"url(#{prefix}"))
    root.set("role", "group")
    root.set("aria-label", chart.title)
    for counts in colours.values():
        counts.pop("#ffffff", None)  # the rim of a marker
    return {
        "title": chart.title,
        "svg": Markup(ElementTree.tostring(root, encoding="unicode")),
        "width_in": chart.figure.get_figwidth(),
        "series": [(key, label, max(colours[key], key=colours[key].get, default="#000000")) for key, label in chart.series.items()],
    }


def _pictures(slides: list[Slide]) -> dict[str, Any]:
    """The slides for JSON, where their common grey scale begins (the range of the first pictures) and how far it may go."""
    firsts = np.concatenate([next(iter(slide.pictures.values())).ravel() for slide in slides] or [np.zeros(1)])
    low, high = float(np.nanmin(firsts)), float(np.nanpercentile(firsts, 99.9))
    span = high - low or 1.0
    packed = []
    for slide in slides:
        pictures = [_pixels(x) | {"name": name, "caption": slide.captions.get(name, "")} for name, x in slide.pictures.items()]
        packed.append({"label": slide.label, "pictures": pictures})
    return {"slides": packed, "window": [low, low + span], "limits": [low - span / 4, low + 3 * span / 2]}


def _pixels(picture: Float[np.ndarray, "H W"]) -> dict[str, Any]:
    """A picture as 16 bit numbers of its own range: one that diverged does not take the others' steps."""
    known = picture[np.isfinite(picture)].astype(np.float64)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    values = np.nan_to_num(picture.astype(np.float64), nan=low, posinf=high, neginf=low)
    steps = np.round((values - low) * (65535 / (high - low or 1.0))).astype("<u2")
    pixels = base64.b64encode(steps).decode()
    return {"height": picture.shape[0], "width": picture.shape[1], "low": low, "high": high, "pixels": pixels}


def _finite(scatter: Scatter) -> dict[str, Any]:
    """The scatter for JSON, which has no infinity and no NaN."""
    values = {
        name: {turn: [v if math.isfinite(v) else None for v in row] for turn, row in turns.items()}
        for name, turns in scatter.values.items()
    }
    return vars(scatter) | {"values": values}


def _columns(rows: list[dict[str, str]]) -> dict[str, bool]:
    """The columns of a table, and whether each holds plain numbers only, to be set flush right."""
    names = dict.fromkeys(name for row in rows for name in row)
    number = re.compile(r"[+-]?[\d,]*\.?\d+(e[+-]?\d+)?|")
    return {name: all(number.fullmatch(row.get(name, "")) for row in rows) for name in names}
