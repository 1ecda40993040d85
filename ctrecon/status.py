"""How runs are: read from their folders."""

from collections.abc import Iterable
from pathlib import Path

from ctrecon.config.options import options
from ctrecon.errors import InputError
from ctrecon.runs.listing import found, table
from ctrecon.runs.run import Run


def main(words: Iterable[str]) -> None:
    """ctrecon status."""
    print(status(**options("status", words)[0]))


def status(runs: str | list[str]) -> str:
    """A table of the runs in folders such as runs/NAME, runs/NAME/SEED or runs/*. Raises InputError where there is none."""
    patterns = [runs] if isinstance(runs, str) else runs
    there = [run for pattern in patterns for run in _found(pattern)]
    if not there:
        raise InputError(f"runs={','.join(patterns)}: no run there; expected folders such as runs/NAME, runs/NAME/SEED or runs/*")
    return table(there)


def _found(pattern: str) -> list[Run]:
    try:
        return found(str(Path.cwd()) if Path(pattern) == Path() else pattern)
    except ValueError as error:  # such as runs/a** or /
        raise InputError(f"runs={pattern}: {error}; expected folders such as runs/NAME or runs/*") from None
