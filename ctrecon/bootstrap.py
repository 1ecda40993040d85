"""Means of per-image numbers with 95 % intervals, over patients and seeds.

Images of one patient are alike, so patients are resampled, not images; where runs of several seeds are pooled, seeds are
resampled too. Every patient counts the same, however many images there are of them.

Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8 (hierarchical data).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

SAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean over patients, the ends of its 95 % interval, and the plain mean over images."""

    mean: float
    low: float
    high: float
    mean_over_images: float

    def as_dict(self) -> dict[str, float]:
        """The four numbers by name."""
        return asdict(self)

    def format(self, digits: int, sign: str = "") -> str:
        """`mean [low, high]`."""
        return f"{self.mean:{sign}.{digits}f} [{self.low:{sign}.{digits}f}, {self.high:{sign}.{digits}f}]"


def estimate(values: Sequence[Sequence[float]], patients: Sequence[str], seed: int = 0) -> Estimate:
    """The mean of values[run][image] with its interval; patients[image] is the same for every run.

    With one patient or one seed there is nothing to resample at that level, and the interval does not cover its variation.
    """
    table = np.asarray(values, dtype=np.float64)
    names, which = np.unique(np.asarray(patients), return_inverse=True)
    counts = np.bincount(which)
    by_patient = np.stack([np.bincount(which, weights=row) / counts for row in table])  # runs x patients
    draw = np.random.default_rng(seed)
    runs = draw.integers(len(table), size=(SAMPLES, len(table)))
    people = draw.integers(len(names), size=(SAMPLES, len(names)))
    means = np.array([by_patient[np.ix_(r, p)].mean() for r, p in zip(runs, people, strict=True)])
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(by_patient.mean()), float(low), float(high), float(table.mean()))
