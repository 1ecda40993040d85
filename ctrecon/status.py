"""How runs are: read from their folders."""

from ctrecon.config.options import options
from ctrecon.errors import InputError
from ctrecon.runs.listing import found, table


def main(words: list[str]) -> None:
    """ctrecon status."""
    print(status(**options(status, words)[0]))


def status(runs: str | list[str]) -> str:
    """A table of the runs in folders such as runs/NAME, runs/NAME/SEED or runs/*. Raises InputError where there is none."""
    patterns = [runs] if isinstance(runs, str) else runs
    there = [run for pattern in patterns for run in found(pattern)]
    if not there:
        raise InputError(f"runs={','.join(patterns)}: no run there; expected folders such as runs/NAME, runs/NAME/SEED or runs/*")
    return table(there)
