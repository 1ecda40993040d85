"""A study: the runs that a figure shows, in the order in which they are made.

1. The race: each contestant at each size learns with every rate of a small grid, from the first seed.
2. The rate with the best validation is taken, and the other seeds learn with it.
3. All of these, and the classical references, are measured on the test images. Guests and images of other programs, for which there is
   nothing to train, are measured first: what is wrong with them is said before hours have passed.

What is done is read from run folders, so that a study goes on wherever it was stopped, and figures share their runs.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ctrecon.config.plan import words_of
from ctrecon.errors import InputError
from ctrecon.runs.results import Results
from ctrecon.runs.run import Run

Size = int | str  # of the training set; "all"
NOT_LEARNED = ("geometry", "projector", "noise", "data", "device")  # what words about them say holds for classical models too


@dataclass(frozen=True)
class PlannedRun:
    """A training, and where its measurements go.

    Attributes:
        contestant: Whose.
        run: The run folder.
        words: Of the training.
        results: The folder of the measurements.
        size: Training images; None: it does not learn, and so for `rate`.
        rate: Learning rate.
        guest: The function of a guest, which is measured and not trained.
        images: The folder of another program's images, which are measured.
    """

    contestant: str
    run: Run
    words: list[str]
    results: Results
    size: Size | None = None
    rate: float | None = None
    guest: str | None = None
    images: str | None = None


class Study:
    """The runs of a figure.

    Args:
        figure: The figure's name.
        plan: As `plan_of` gives it.
        folder: Where the run folders go.
        words: Of every training, after the profile's.

    Raises:
        InputError: A contestant is unknown.
    """

    def __init__(self, figure: str, plan: dict[str, Any], folder: Path, words: Sequence[str]) -> None:
        known = plan["known"]
        self.folder = folder / figure if plan.get("words") else folder  # trainings of the same name that no other figure has
        self.words = [*words_of(plan), *words]
        self.sizes: list[Size] = plan["sizes"]
        self.seeds: list[int] = plan["seeds"]
        self.rates: list[float] = plan["rates"]
        self.turns: list[int | float] = plan["turns"]
        self.where = "" if plan["turns"] == plan["profile"]["turns"] else figure  # measurements that no other figure has
        self.contestants: list[str] = plan["contestants"]
        for name in self.contestants:
            if not any(name in kind for kind in known.values()):
                raise InputError(f"contestant {name}: expected one of {', '.join(n for kind in known.values() for n in kind)}")
        self.trained, self.averaged, self.classical, self.guests, self.images = (
            {name: kind[name] for name in self.contestants if name in kind}
            for kind in map(known.get, ("trained", "averaged", "classical", "guests", "images"))
        )
        self.trained |= {name: known["trained"][name] for name in self.averaged.values()}

    def fit_to(self, images: Sequence[int], endless: bool) -> None:
        """Leave out the sizes that a collection does not have; where that leaves none, take all its images."""
        there = [size for size in self.sizes if size != "all" and size <= len(images)]
        whole = "all" in self.sizes and not endless and len(images) not in there
        self.sizes = [*there, *["all"] * (whole or not there)]

    def race(self) -> list[PlannedRun]:
        """The first trainings: every rate, the first seed."""
        return [self._planned(*entry, self.seeds[0]) for entry in product(self.trained, self.sizes, self.rates)]

    def learned(self) -> list[PlannedRun]:
        """The trainings that are measured: the best rate, every seed; then the classical models."""
        chosen = [self._planned(name, size, self.rate(name, size), seed) for name, size, seed in self._each(self.trained)]
        return [*chosen, *(self._once(name, words) for name, words in self.classical.items())]

    def others(self) -> list[PlannedRun]:
        """Guests and images of other programs, that are measured only."""
        guests = [replace(self._once(name, []), guest=guest) for name, guest in self.guests.items()]
        return [*guests, *(replace(self._once(name, []), images=images) for name, images in self.images.items())]

    def averages(self) -> list[PlannedRun]:
        """The trainings whose average over turns is measured."""
        return [self._averaged(name, size, seed) for name, size, seed in self._each(self.averaged)]

    def rate(self, name: str, size: Size) -> float:
        """The rate with the best validation at the first seed, by held-out views where there was no truth to learn from. Raises InputError where no training of the race came to its end."""
        runs = {rate: self._planned(name, size, rate, self.seeds[0]).run for rate in self.rates}
        best = {rate: _score(run.status()) for rate, run in runs.items() if run.done()}
        if not best:
            raise InputError(f"{next(iter(runs.values())).path}: failed, and so did the other rates: see ctrecon status")
        return max(best, key=best.__getitem__)

    def rates_tried(self) -> list[dict[str, Any]]:
        """What the race decided: a row a contestant, size and rate."""
        return [self._tried(planned, planned.run.status()) for planned in self.race()]

    def _tried(self, planned: PlannedRun, status: dict[str, Any]) -> dict[str, Any]:
        chosen = int(planned.rate == self.rate(planned.contestant, planned.size))
        tried = {"run": planned.contestant, "images": status["images"], "rate": planned.rate, "validation_psnr": status["best"]}
        return tried | {"state": status["state"], "chosen": chosen}

    def entries(self) -> Iterator[tuple[str, list[Results]]]:
        """All that the figure shows: a name and its measurements, one a seed."""
        every = [*self.learned(), *self.averages(), *self.others()]
        for name in self.contestants:
            mine = [planned for planned in every if planned.contestant == name]
            for folder in dict.fromkeys(planned.run.path.parent for planned in mine):
                yield name, [planned.results for planned in mine if planned.run.path.parent == folder]

    def _each(self, names: dict[str, Any]) -> Iterator[tuple[str, Size, int]]:
        return product(names, self.sizes, self.seeds)

    def _planned(self, name: str, size: Size, rate: float, seed: int) -> PlannedRun:
        run = Run(self.folder / f"{name}-train_size{size}-lr{rate:g}" / str(seed))
        learned = [f"data.train_size={'null' if size == 'all' else size}", f"fit.lr={rate}", f"seed={seed}", _folder(run)]
        return PlannedRun(name, run, [*self.words, *self.trained[name], *learned], self._results(run.path), size, rate)

    def _averaged(self, name: str, size: Size, seed: int) -> PlannedRun:
        of = self.averaged[name]
        planned = self._planned(of, size, self.rate(of, size), seed)
        return replace(planned, contestant=name, results=self._results(planned.run / "averaged"))

    def _once(self, name: str, words: list[str]) -> PlannedRun:
        """Of what has neither size nor seed: what words say of the scan and the images holds for it too."""
        scan = [word for word in self.words if word.split("=")[0].split(".")[0] in NOT_LEARNED]
        run = Run(self.folder / name / "0")
        return PlannedRun(name, run, [*scan, *words, _folder(run)], self._results(run.path))

    def _results(self, folder: Path) -> Results:
        return Results(folder / self.where)


def measured(results: Results, turns: list[int | float]) -> bool:
    """Whether a folder has the metrics of a model at these turns, whole and of one evaluation."""
    try:
        return results.summary().get("test", {}).get("turns") == turns
    except InputError:
        return False


def _score(status: dict[str, Any]) -> float:
    """How good the weights are that a run kept, the larger the better."""
    return status["best"] if status["held_out"] is None else -status["held_out"]


def _folder(run: Run) -> str:
    # In Hydra's quotes a backslash stands for itself, except before a quote.
    escaped = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + (r"\'" if found[2] else ""), str(run.path))
    return f"run_dir='{escaped}'"
