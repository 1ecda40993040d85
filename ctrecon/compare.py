"""Set evaluated runs side by side: a table, paired differences and a verdict. Reads run folders only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctrecon.bootstrap import Estimate, estimate
from ctrecon.errors import InputError
from ctrecon.run import CONFIG, METRICS, SUMMARY, Run


@dataclass(frozen=True)
class Contestant:
    """The runs of one name, one a seed, all measured on the same images.

    Attributes:
        name: As in the table.
        runs: The run folders.
        rows: rows[run][k]: the metrics of image k at some turn; k means the same for every run of every contestant.
        summaries: The metrics.json of each run.
    """

    name: str
    runs: list[Run]
    rows: list[list[dict[str, str]]]
    summaries: list[dict[str, Any]]

    def values(self, metric: str, turn: str) -> list[list[float]]:
        """values[run][image] of a metric at a turn."""
        return [[float(row[metric]) for row in rows if row["turn"] == turn] for rows in self.rows]

    def patients(self, turn: str) -> list[str]:
        """The patient of each image at a turn."""
        return [row["patient"] for row in self.rows[0] if row["turn"] == turn]


@dataclass(frozen=True)
class Comparison:
    """Contestants measured alike; the first is the one that others are compared against."""

    contestants: list[Contestant]
    turns: list[str]

    def mean(self, contestant: Contestant, metric: str, turn: str) -> Estimate:
        """Mean over patients and seeds with its interval."""
        return estimate(contestant.values(metric, turn), contestant.patients(turn))

    def gain(self, contestant: Contestant, metric: str, turn: str) -> Estimate:
        """Mean paired difference to the first contestant, image by image; seeds are paired where both have as many."""
        ours, theirs = contestant.values(metric, turn), self.contestants[0].values(metric, turn)
        if len(ours) != len(theirs):  # unequal numbers of seeds: against the mean over the other's
            theirs = [_over_runs(theirs)] * len(ours)
        differences = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(ours, theirs, strict=True)]
        return estimate(differences, contestant.patients(turn))

    def wins(self, contestant: Contestant, metric: str, turn: str) -> int:
        """On how many images the contestant's mean over seeds beats the first's."""
        ours, theirs = (_over_runs(one.values(metric, turn)) for one in (contestant, self.contestants[0]))
        return sum(a > b for a, b in zip(ours, theirs, strict=True))

    def table(self) -> list[dict[str, str]]:
        """A row a contestant: means with 95 % intervals, and gains over the first."""
        table = []
        for contestant in self.contestants:
            row = {
                "run": contestant.name,
                "seeds": str(len(contestant.runs)),
                "parameters": f"{contestant.summaries[0]['parameters']:,}",
            }
            for turn in self.turns:
                at = f" at {turn} deg" if len(self.turns) > 1 else ""
                row[f"PSNR{at}"] = self.mean(contestant, "psnr", turn).format(2)
                row[f"SSIM{at}"] = self.mean(contestant, "ssim", turn).format(3)
                gain = "" if contestant is self.contestants[0] else self.gain(contestant, "psnr", turn).format(2, "+")
                row[f"PSNR gain{at}"] = gain
            table.append(row)
        return table

    def verdicts(self) -> list[str]:
        """A sentence for each contestant but the first: better or worse, by how much, how surely."""
        return [self._verdict(contestant) for contestant in self.contestants[1:]]

    def _verdict(self, contestant: Contestant) -> str:
        patients, seeds = contestant.patients(self.turns[0]), len(contestant.runs)
        over = f"95 % intervals over {len(patients)} images of {len(set(patients))} patients and {seeds} seed{'s' * (seeds > 1)}"
        caution = ", so that how training varies is not in them" if seeds == 1 and contestant.summaries[0]["parameters"] else ""
        clauses = "; ".join(self._clause(contestant, turn) for turn in self.turns)
        return f"{contestant.name} against {self.contestants[0].name}: {clauses} ({over}{caution})."

    def _clause(self, contestant: Contestant, turn: str) -> str:
        gain, ssim = (self.gain(contestant, metric, turn) for metric in ("psnr", "ssim"))
        where = "upright" if float(turn) == 0 else f"turned by {turn} degrees"
        finding = "no sure difference," if gain.low <= 0 <= gain.high else "better," if gain.mean > 0 else "worse,"
        wins = f"ahead on {self.wins(contestant, 'psnr', turn)} of {len(contestant.patients(turn))} images"
        return f"{where} {finding} {gain.format(2, '+')} dB PSNR and {ssim.format(3, '+')} SSIM, {wins}"


def read(paths: list[str]) -> Comparison:
    """The comparison of evaluated runs: each path is runs/NAME (all its seeds) or one run folder.

    Raises:
        InputError: A run is missing or not evaluated, or the runs were not measured on the same test images.
    """
    if not paths:
        raise InputError("runs=[]: expected a list such as runs=[runs/a,runs/b]")
    contestants = [_contestant(Path(path)) for path in paths]
    first = contestants[0]
    for contestant in contestants:
        for run, rows, summary in zip(contestant.runs, contestant.rows, contestant.summaries, strict=True):
            for key, value in first.summaries[0]["test"].items():
                if summary["test"].get(key) != value:
                    raise InputError(
                        f"{run.path} was measured on another test set than {first.runs[0].path} ({key}: {summary['test'].get(key)}, not {value}): "
                        "evaluate both with the same data, geometry, noise and turns"
                    )
            if [_key(row) for row in rows] != [_key(row) for row in first.rows[0]]:
                raise InputError(f"{run.path} and {first.runs[0].path} list different test images: evaluate both again")
    return Comparison(contestants, list(dict.fromkeys(row["turn"] for row in first.rows[0])))


def _over_runs(values: list[list[float]]) -> list[float]:
    """The mean over runs of values[run][image], image by image."""
    return [sum(column) / len(column) for column in zip(*values, strict=True)]


def _key(row: dict[str, str]) -> tuple[str, str, str]:
    return row["image"], row["patient"], row["turn"]


def _contestant(path: Path) -> Contestant:
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; expected runs/NAME or runs/NAME/SEED")
    alone = (path / SUMMARY).is_file() or (path / CONFIG).is_file()
    runs = [Run(path)] if alone else [Run(p) for p in sorted(path.iterdir()) if (p / SUMMARY).is_file() or (p / CONFIG).is_file()]
    if not runs:
        raise InputError(f"{path}: no run in this folder; expected runs/NAME or runs/NAME/SEED")
    summaries = [run.read_json(SUMMARY) for run in runs]
    return Contestant(
        path.resolve().name if not alone else f"{runs[0].name}/{path.resolve().name}",
        runs,
        [run.read_rows(METRICS) for run in runs],
        summaries,
    )
