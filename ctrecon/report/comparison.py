"""A comparison written down: tables, verdicts, charts, pictures."""

from dataclasses import replace
from pathlib import Path

from ctrecon.disk.atomic import write_text
from ctrecon.disk.table import as_csv, as_markdown
from ctrecon.evidence import scores
from ctrecon.evidence.comparison import Comparison
from ctrecon.report import figures
from ctrecon.report.chart import save
from ctrecon.report.document import document
from ctrecon.report.page import write_page
from ctrecon.report.picture import pictures

PAGE = "report.html"


def write(comparison: Comparison, folder: Path, title: str, draw: list[str], size: int | None = None) -> str:
    """Write a comparison.

    Args:
        comparison: Read from run folders.
        folder: Where to.
        title: Of the page.
        draw: Names of charts in `figures`, and `pictures`.
        size: Training size of the pictures; None: the middle one.

    Returns:
        What there is to say.
    """
    text = as_markdown(comparison.table()) + "\n\n" + "\n".join(comparison.verdicts()) + "\n"
    write_text(folder / "comparison.csv", as_csv(comparison.numbers()))
    write_text(folder / "comparison.md", text)
    scores.write(comparison, folder)
    charts = {name: figures.CHARTS[name](comparison) for name in draw if name != "pictures"}
    for name, chart in charts.items():
        chart.save(folder / name)
    shown = _at(comparison, size)
    if "pictures" in draw:
        save(pictures(shown), folder / "pictures")
    write_page(document(comparison, shown, title, list(charts.values())), folder / PAGE)
    return (
        f"{text}\nwritten: {folder}/{PAGE}, comparison.csv, comparison.md, {', '.join(f'{name}.pdf, {name}.png' for name in draw)}"
    )


def _at(comparison: Comparison, size: int | None) -> Comparison:
    """The contestants of one training size, and those that do not learn."""
    sizes = comparison.sizes
    if len(sizes) < 2:
        return comparison
    chosen = min(sizes, key=lambda one: abs(one - (size or sizes[(len(sizes) - 1) // 2])))
    return replace(comparison, contestants=[one for one in comparison.contestants if one.size in (None, chosen)])
