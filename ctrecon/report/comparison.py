"""A comparison written down: table, verdicts and figure."""

from pathlib import Path

from ctrecon.compare import read
from ctrecon.files.atomic import write_text
from ctrecon.report.figure import comparison_figure
from ctrecon.report.table import as_csv, as_markdown


def write_comparison(paths: list[str], out: str) -> str:
    """Set runs side by side; writes comparison.csv, .md and .png into `out` and returns what there is to say.

    Raises:
        InputError: A run is missing or not evaluated, or they were measured on different test images.
    """
    comparison, folder = read(paths), Path(out)
    table = comparison.table()
    told = as_markdown(table) + "\n\n" + "\n".join(comparison.verdicts()) + "\n"
    write_text(folder / "comparison.csv", as_csv(table))
    write_text(folder / "comparison.md", told)
    comparison_figure(comparison, folder / "comparison.png")
    return f"{told}\nwritten: {folder}/comparison.csv, comparison.md, comparison.png"
