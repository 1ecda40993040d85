"""Set evaluated runs side by side."""

from collections.abc import Iterable
from pathlib import Path

from ctrecon.config.options import options
from ctrecon.config.place import Folders
from ctrecon.evidence.comparison import read
from ctrecon.report import figures
from ctrecon.report.comparison import write


def main(words: Iterable[str]) -> None:
    """ctrecon compare."""
    print(compare(**options("compare", words)[0]))


def compare(runs: Folders, out: str) -> str:
    """Write tables, charts, pictures and a page into a folder; returns what there is to say.

    Args:
        runs: Each runs/NAME (all its seeds) or one run folder; the first name is compared against.
        out: The folder.

    Raises:
        InputError: A run is missing or not evaluated, or they were not measured alike.
    """
    comparison = read([runs] if isinstance(runs, str) else runs)
    return write(comparison, Path(out), "Comparison", [*figures.suited(comparison), "pictures"])
