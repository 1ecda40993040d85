"""Run folders as a table."""

from pathlib import Path

from ctrecon.disk.table import as_markdown
from ctrecon.runs.digits import shown
from ctrecon.runs.run import CONFIG, STATUS, Run


def table(runs: list[Run]) -> str:
    """A row a run: its state, how far it is, its validation, and what went wrong; a line of counts below."""
    statuses = [run.status() for run in runs]
    rows = [
        {
            "run": str(run.path),
            "state": one["state"],
            "progress": f"{one['step']}/{one['steps']}" if one["steps"] else str(one["step"]),
            "best PSNR": "" if one["best"] is None else shown("psnr", one["best"]),
            "held out": "" if one["held_out"] is None else f"{one['held_out']:.4f}",
            "what went wrong": one["error"] or "",
        }
        for run, one in zip(runs, statuses, strict=True)
    ]
    if not any(row["held out"] for row in rows):
        rows = [{key: value for key, value in row.items() if key != "held out"} for row in rows]
    states = [one["state"] for one in statuses]
    counts = ", ".join(
        f"{states.count(state)} {state}" for state in ("done", "running", "stopped", "waiting", "failed") if state in states
    )
    return f"{as_markdown(rows)}\n{counts}"


def found(pattern: str) -> list[Run]:
    """The run folders that match, or lie in folders that match."""
    runs = []
    for path in sorted(Path().glob(pattern)) if not Path(pattern).is_absolute() else sorted(Path("/").glob(pattern[1:])):
        inside = sorted(p for p in path.glob("*") if p.is_dir()) if path.is_dir() else []
        runs += [Run(p) for p in (path, *inside) if (p / CONFIG).is_file() or (p / STATUS).is_file()]
    return runs
