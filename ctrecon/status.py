"""How runs are: read from their folders."""

from pathlib import Path

from ctrecon.errors import InputError
from ctrecon.report.table import as_markdown
from ctrecon.run import CONFIG, STATUS, Run


def status(patterns: list[str]) -> str:
    """A table of the runs in folders such as runs/NAME, runs/NAME/SEED or runs/*. Raises InputError where there is none."""
    runs = [run for pattern in patterns for run in _runs(pattern)]
    if not runs:
        raise InputError(f"runs={','.join(patterns)}: no run there; expected folders such as runs/NAME, runs/NAME/SEED or runs/*")
    return table(runs)


def table(runs: list[Run]) -> str:
    """A row a run: its state, how far it is, its best validation PSNR, and what went wrong; a line of counts below."""
    told = [run.status() for run in runs]
    rows = [
        {
            "run": str(run.path),
            "state": one["state"],
            "progress": f"{one['step']}/{one['steps']}" if one["steps"] else str(one["step"]),
            "best PSNR": "" if one["best"] is None else f"{one['best']:.2f}",
            "what went wrong": one["error"] or "",
        }
        for run, one in zip(runs, told, strict=True)
    ]
    states = [one["state"] for one in told]
    counts = ", ".join(
        f"{states.count(state)} {state}" for state in ("done", "running", "stopped", "waiting", "failed") if state in states
    )
    return f"{as_markdown(rows)}\n{counts}"


def _runs(pattern: str) -> list[Run]:
    """The run folders that match, or lie in folders that match."""
    found = []
    for path in sorted(Path().glob(pattern)) if not Path(pattern).is_absolute() else sorted(Path("/").glob(pattern[1:])):
        inside = sorted(p for p in path.glob("*") if p.is_dir()) if path.is_dir() else []
        found += [Run(p) for p in (path, *inside) if (p / CONFIG).is_file() or (p / STATUS).is_file()]
    return found
