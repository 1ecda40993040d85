"""A study: the runs that a figure shows, in the order in which they are made.

1. The race: each contestant at each size learns with every rate of a small grid, from the first seed.
2. The rate with the best validation PSNR is taken, and the other seeds learn with it.
3. All of these, and the classical references, are measured on the test images.

What is done is read from run folders, so that a study goes on wherever it was stopped, and figures of one folder share its runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ctrecon.configure import CONF
from ctrecon.errors import InputError
from ctrecon.run import Run

Size = int | str  # of the training set; "all"
NOT_LEARNED = ("geometry", "projector", "noise", "data", "device")  # what words about them say holds for classical models too


@dataclass(frozen=True)
class Entry:
    """A contestant at a size, and the runs that stand for it, one a seed.

    Attributes:
        name: The contestant.
        size: Its training images; None: it does not learn.
        runs: The runs, measured.
    """

    name: str
    size: Size | None
    runs: list[Run]


class Study:
    """The runs of a figure.

    Args:
        plan: The options of the figure, with those of the `profile` and the `known` contestants.
        folder: Where the run folders go.
        words: Of every training, after the profile's.
    """

    def __init__(self, plan: dict[str, Any], folder: Path, words: list[str]) -> None:
        self.plan, self.folder = plan, folder
        profile = plan["profile"]
        self.words = [*profile["words"], f"conv.channels={profile['width']}", *words]
        self.seeds: list[int] = profile["seeds"]
        self.rates: list[float] = profile["rates"]
        self.turns: list[int | float] = plan["turns"]
        self.sizes: list[Size] = plan["sizes"]
        known, wanted = plan["known"], plan["contestants"]
        for name in wanted:
            if not any(name in kind for kind in known.values()):
                raise InputError(f"contestant {name}: expected one of {', '.join(n for kind in known.values() for n in kind)}")
        self.averaged = {name: known["averaged"][name] for name in wanted if name in known["averaged"]}
        self.classical = {name: known["classical"][name] for name in wanted if name in known["classical"]}
        trained = dict.fromkeys([*(n for n in wanted if n in known["trained"]), *self.averaged.values()])
        self.trained = {name: known["trained"][name] for name in trained}

    def race(self) -> list[list[str]]:
        """The words of the first trainings: every rate, the first seed."""
        return [self._job(*entry, self.seeds[0]) for entry in product(self.trained, self.sizes, self.rates)]

    def rate(self, name: str, size: Size) -> float:
        """The rate with the best validation PSNR at the first seed. Raises InputError where no training of the race came to its end."""
        told = {rate: self.run(name, size, rate, self.seeds[0]) for rate in self.rates}
        best = {rate: run.status()["best"] for rate, run in told.items() if run.done()}
        if not best:
            raise InputError(f"{self.run(name, size, self.rates[0], self.seeds[0]).path}: failed, and so did all rates: see ctrecon status")
        return max(best, key=best.__getitem__)

    def learned(self, of: list[str] | None = None) -> list[list[str]]:
        """The words of the trainings that are measured: the best rate, every seed. `of`: of these contestants only."""
        chosen = self.trained if of is None else of
        return [self._job(name, size, self.rate(name, size), seed) for name, size, seed in product(chosen, self.sizes, self.seeds)]

    def references(self) -> list[list[str]]:
        """The words of the classical models."""
        scan = [word for word in self.words if word.split("=")[0].split(".")[0] in NOT_LEARNED]
        return [[*scan, *words, f"run_dir={quoted(self.folder / name / '0')}"] for name, words in self.classical.items()]

    def run(self, name: str, size: Size, rate: float, seed: int) -> Run:
        """The run folder of a training."""
        return Run(self.folder / f"{name}-train_size{size}-lr{rate:g}" / str(seed))

    def entries(self) -> Iterator[Entry]:
        """All that a figure shows, in its order, sizes in theirs."""
        for name in self.plan["contestants"]:
            if name in self.classical:
                yield Entry(name, None, [Run(self.folder / name / "0")])
                continue
            for size in self.sizes:
                rate = self.rate(self.averaged.get(name, name), size)
                yield Entry(name, size, [self.run(name, size, rate, seed) for seed in self.seeds])

    def _job(self, name: str, size: Size, rate: float, seed: int) -> list[str]:
        return [
            *self.words,
            *self.trained[name],
            f"data.train_size={'null' if size == 'all' else size}",
            f"fit.lr={rate}",
            f"seed={seed}",
            f"run_dir={quoted(self.run(name, size, rate, seed).path)}",
        ]


def plan_of(figure: str, profile: str) -> dict[str, Any]:
    """The options of a figure under a profile. Raises InputError where there is no such figure or profile."""
    parts = [OmegaConf.create({"known": OmegaConf.load(CONF / "contestants.yaml")})]
    for kind, name in (("profile", profile), ("figure", figure)):
        members = sorted(path.stem for path in (CONF / kind).glob("*.yaml"))
        if name not in members:
            raise InputError(f"{kind}={name}: expected one of {', '.join(members)}")
        options = OmegaConf.load(CONF / kind / f"{name}.yaml")
        parts.append(options if kind == "figure" else OmegaConf.create({kind: options}))
    return OmegaConf.to_container(OmegaConf.merge(*parts), resolve=True)


def quoted(path: Path) -> str:
    """A path as a value in a word."""
    escaped = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
