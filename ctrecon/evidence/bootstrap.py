"""Means of per-image numbers with 95 % intervals, over patients and seeds.

Images of one patient are alike, so patients are resampled, not images; where runs of several seeds are pooled, seeds are
resampled too. Every patient counts the same, however many images there are of them.

Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8 (hierarchical data).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float

from ctrecon.runs.digits import DIGITS

SAMPLES = 2000
INTERVAL = (2.5, 97.5)  # percentiles

Values = Sequence[Sequence[float]] | Float[np.ndarray, "runs images"]


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

    def format(self, metric: str, sign: str = "") -> str:
        """`mean [low, high]`, with the digits of a metric."""
        digits = DIGITS[metric]
        return f"{self.mean:{sign}.{digits}f} [{self.low:{sign}.{digits}f}, {self.high:{sign}.{digits}f}]"


def estimate(values: Values, patients: Sequence[str], seed: int = 0) -> Estimate:
    """The mean of values[run][image] with its interval; patients[image] is the same for every run.

    With one patient or one seed there is nothing to resample at that level, and the interval does not cover its variation.
    """
    low, high = np.percentile(resampled(values, patients, seed), INTERVAL)
    return Estimate(float(_by_patient(values, patients).mean()), float(low), float(high), float(np.mean(values)))


def resampled(values: Values, patients: Sequence[str], seed: int = 0) -> Float[np.ndarray, " samples"]:
    """Means over patients of samples of runs and patients, drawn with replacement.

    Calls with as many runs and patients draw the same ones, so that what is made of several means (a difference, a crossing of curves)
    is resampled as a whole.
    """
    table = _by_patient(values, patients)
    draw = np.random.default_rng(seed)
    runs, people = (_times_drawn(draw.integers(n, size=(SAMPLES, n))) for n in table.shape)
    return np.einsum("sr,rp,sp->s", runs, table, people, optimize=True) / table.size


def _by_patient(values: Values, patients: Sequence[str]) -> Float[np.ndarray, "runs patients"]:
    names, which = np.unique(np.asarray(patients), return_inverse=True)
    images = np.eye(len(names))[which]  # images x patients
    return np.asarray(values, dtype=np.float64) @ images / images.sum(0)


def _times_drawn(drawn: np.ndarray) -> np.ndarray:
    """(samples, n) how often each of n was drawn, from their numbers."""
    samples, n = drawn.shape
    cells = drawn + n * np.arange(samples)[:, None]  # a row of counts for each sample
    return np.bincount(cells.ravel(), minlength=samples * n).reshape(samples, n).astype(np.float64)
