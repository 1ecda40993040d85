"""How runs are: read from their folders."""

from ctrecon.config.words import no_words, options
from ctrecon.errors import InputError
from ctrecon.runs.listing import found, table


def main(words: list[str]) -> None:
    """ctrecon status."""
    chosen, rest = options("status", words)
    no_words("status", rest)
    print(status([chosen.runs] if isinstance(chosen.runs, str) else list(chosen.runs)))


def status(patterns: list[str]) -> str:
    """A table of the runs in folders such as runs/NAME, runs/NAME/SEED or runs/*. Raises InputError where there is none."""
    runs = [run for pattern in patterns for run in found(pattern)]
    if not runs:
        raise InputError(f"runs={','.join(patterns)}: no run there; expected folders such as runs/NAME, runs/NAME/SEED or runs/*")
    return table(runs)
