"""Set evaluated runs side by side: paired differences, their intervals, wins and a verdict."""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ctrecon.errors import InputError
from ctrecon.evidence.bootstrap import Estimate, estimate
from ctrecon.evidence.contestant import METRIC_NAMES, Contestant, at_path, same_setting, short


@dataclass(frozen=True)
class Comparison:
    """Contestants measured alike. The first name is the baseline: others are compared against it at their own size.

    Raises:
        InputError: They were not measured alike, by the same definitions and on the same test images.
    """

    contestants: list[Contestant]

    def __post_init__(self) -> None:
        first, counts = self.contestants[0], Counter((c.name, c.size) for c in self.contestants)
        for one in self.contestants:
            where, there = _where(one), _where(first)
            same_setting(where, one.setting, there, first.setting)
            if one.rows != first.rows:
                raise InputError(f"{where} and {there} list different test images: evaluate both again")
            if counts[one.name, one.size] > 1:
                raise InputError(f"{one.name}: twice in the comparison, learned from {one.size} images: name each once")

    @property
    def turns(self) -> list[str]:
        """The turns at which all were measured, in degrees."""
        return self.contestants[0].turns

    @property
    def names(self) -> list[str]:
        """The contestants' names, the baseline's first."""
        return list(dict.fromkeys(contestant.name for contestant in self.contestants))

    @property
    def sizes(self) -> list[int]:
        """The training sizes."""
        return sorted({contestant.size for contestant in self.contestants if contestant.size is not None})

    def of(self, name: str) -> list[Contestant]:
        """A contestant at all its sizes, in their order."""
        return sorted((c for c in self.contestants if c.name == name), key=lambda c: c.size or 0)

    def baseline(self, contestant: Contestant) -> Contestant | None:
        """Whom a contestant is compared against: the baseline of its size, or the only one that there is; None: nobody."""
        candidates = self.of(self.names[0])
        if contestant.name == self.names[0]:
            return None
        return next((c for c in candidates if c.size == contestant.size), candidates[0] if len(candidates) == 1 else None)

    def mean(self, contestant: Contestant, metric: str, turn: str) -> Estimate:
        """Mean over patients and seeds with its interval."""
        return estimate(contestant.at(metric, turn), contestant.patients(turn))

    def gain(self, contestant: Contestant, metric: str, turn: str) -> Estimate:
        """Mean paired difference to the baseline, image by image; seeds are paired where both have as many."""
        return estimate(self.differences(contestant, metric, turn), contestant.patients(turn))

    def differences(self, contestant: Contestant, metric: str, turn: str) -> Float[np.ndarray, "runs images"]:
        """What `gain` is the mean of."""
        ours, theirs = contestant.at(metric, turn), self.baseline(contestant).at(metric, turn)
        return ours - (theirs if len(ours) == len(theirs) else theirs.mean(0))

    def wins(self, contestant: Contestant, metric: str, turn: str) -> int:
        """On how many images the contestant's mean over seeds beats the baseline's."""
        return int((contestant.at(metric, turn).mean(0) > self.baseline(contestant).at(metric, turn).mean(0)).sum())

    def table(self) -> list[dict[str, str]]:
        """A row a contestant: means with 95 % intervals, and gains over the baseline."""
        return [self._row(contestant) for contestant in self.contestants]

    def _row(self, one: Contestant) -> dict[str, str]:
        row = {"run": one.name}
        row |= {"images": str(one.size or "")} if len(self.sizes) > 1 else {}
        row |= {"seeds": str(one.seeds), "parameters": one.parameters}
        for turn in self.turns:
            at = f" at {turn} deg" if len(self.turns) > 1 else ""
            row[f"PSNR{at}"] = self.mean(one, "psnr", turn).format("psnr")
            row[f"SSIM{at}"] = self.mean(one, "ssim", turn).format("ssim")
            against = self.baseline(one)
            row[f"PSNR gain{at}"] = self.gain(one, "psnr", turn).format("psnr", "+") if against else ""
        return row

    def numbers(self) -> list[dict[str, Any]]:
        """The same and more, to compute with: a row a contestant, turn and metric."""
        return [self._numbers(*where) for where in product(self.contestants, self.turns, METRIC_NAMES)]

    def _numbers(self, one: Contestant, turn: str, metric: str) -> dict[str, Any]:
        row = {"run": one.name, "images": one.size, "seeds": one.seeds, "parameters": one.facts[0]["parameters"], "turn": turn}
        mean = self.mean(one, metric, turn)
        row |= {"metric": metric, "mean": mean.mean, "low": mean.low, "high": mean.high}
        if self.baseline(one):
            gain = self.gain(one, metric, turn)
            row |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
            row |= {"ahead": self.wins(one, metric, turn), "of": len(one.images(turn))}
        return row

    def verdict_table(self) -> list[dict[str, str]]:
        """The verdicts as rows: one for each turn of each contestant that has a baseline."""
        against = [one for one in self.contestants if self.baseline(one)]
        return [self._verdict_row(one, turn) for one, turn in product(against, self.turns)]

    def _verdict_row(self, one: Contestant, turn: str) -> dict[str, str]:
        gain, ssim = (self.gain(one, metric, turn) for metric in ("psnr", "ssim"))
        return {
            "run": one.name,
            **({"images": str(one.size or "")} if len(self.sizes) > 1 else {}),
            "against": self.names[0],
            "object": lying(turn),
            "verdict": _found(gain),
            "gain in dB PSNR": gain.format("psnr", "+"),
            "ahead on": f"{self.wins(one, 'psnr', turn)} of {len(one.patients(turn))} images",
            "gain in SSIM": ssim.format("ssim", "+"),
        }

    def setting(self) -> str:
        """What was measured, in a sentence."""
        test, patients = self.contestants[0].setting["test"], self.contestants[0].patients(self.turns[0])
        scan, noise = test.get("geometry", {}), test.get("noise", {})
        parts = [f"Measured on {len(patients)} images of {len(set(patients))} patients"]
        if "pixels" in scan:
            parts.append(f"{scan['pixels']} x {scan['pixels']} pixels of {1000 * scan['fov_m'] / scan['pixels']:.3g} mm")
            views = scan.get("views") or scan.get("angles_deg") or []
            parts.append(f"{views if isinstance(views, int) else len(views)} views")
        doses = {"photons": "{:,.0f} photons a ray", "level": "Gaussian noise of {:g} times the mean"}
        parts += [text.format(noise[key]) for key, text in doses.items() if key in noise]
        lie = ", ".join(map(lying, self.turns))
        return f"{', '.join(parts)}; objects {lie}. Means over patients and seeds, with 95 % intervals."

    def verdicts(self) -> list[str]:
        """A sentence for each contestant that has a baseline: better or worse, by how much, how surely."""
        return [self._verdict(contestant) for contestant in self.contestants if self.baseline(contestant)]

    def _verdict(self, one: Contestant) -> str:
        patients, seeds = one.patients(self.turns[0]), one.seeds
        over = f"95 % intervals over {len(patients)} images of {len(set(patients))} patients and {seeds} seed{'s' * (seeds > 1)}"
        caution = ", so that how training varies is not in them" if seeds == 1 and one.facts[0]["parameters"] else ""
        if one.undefined:
            caution += f"; {one.undefined} measurement{'s' * (one.undefined > 1)} of constant images, which have no PSNR, left out"
        size = f" from {one.size} images" if one.size and len(self.sizes) > 1 else ""
        clauses = "; ".join(self._clause(one, turn) for turn in self.turns)
        return f"{one.name}{size} against {self.names[0]}: {clauses} ({over}{caution})."

    def _clause(self, one: Contestant, turn: str) -> str:
        row = self._verdict_row(one, turn)
        ssim = _found(self.gain(one, "ssim", turn))
        return (
            f"{row['object']} PSNR {row['verdict']}, {row['gain in dB PSNR']} dB, ahead on {row['ahead on']}, SSIM {ssim}, "
            f"{row['gain in SSIM']}"
        )


def read(paths: list[str]) -> Comparison:
    """The comparison of evaluated runs: each path is runs/NAME (all its seeds) or one run folder.

    Raises:
        InputError: A run is missing or not evaluated, or the runs were not measured alike.
    """
    if not paths:
        raise InputError("runs=[]: expected a list such as runs=[runs/a,runs/b]")
    found = [at_path(Path(path)) for path in paths]
    plain = Counter((short(one.name), one.size) for one in found)
    return Comparison([one if plain[short(one.name), one.size] > 1 else replace(one, name=short(one.name)) for one in found])


def lying(turn: str) -> str:
    """How the object lies at a turn."""
    return "upright" if float(turn) == 0 else f"turned by {turn} degrees"


def _found(gain: Estimate) -> str:
    return "not surely different" if gain.low <= 0 <= gain.high else "better" if gain.mean > 0 else "worse"


def _where(contestant: Contestant) -> Path:
    return contestant.results[0].path if contestant.results else Path(contestant.name)
