"""How many images the baseline needs to be as good as a contestant.

The baseline's PSNR as a function of the logarithm of its training size is taken piecewise linear, through the means at its sizes, each
at least the one before: more images do not harm. Where a contestant's PSNR is met by no size that was tried, all that is known is a
bound. The interval comes from resampling patients and seeds of both at once.
"""

import math
from dataclasses import dataclass

import numpy as np

from ctrecon.evidence.bootstrap import INTERVAL, resampled
from ctrecon.evidence.comparison import Comparison
from ctrecon.evidence.contestant import Contestant


@dataclass(frozen=True)
class Needed:
    """Images that the baseline needs, with the ends of the 95 % interval.

    Attributes:
        size: Images; 0: fewer than the smallest size tried; infinite: more than the largest.
        low: Likewise.
        high: Likewise.
        tried: The smallest and the largest size of the baseline.
    """

    size: float
    low: float
    high: float
    tried: tuple[int, int]

    def format(self) -> str:
        """Such as `34 [21, > 401]`."""
        return f"{self._told(self.size)} [{self._told(self.low)}, {self._told(self.high)}]"

    def _told(self, size: float) -> str:
        if size <= 0:
            return f"< {self.tried[0]}"
        return f"> {self.tried[1]}" if math.isinf(size) else f"{size:.0f}"


def needed(comparison: Comparison, contestant: Contestant, turn: str, metric: str = "psnr") -> Needed:
    """How many images the baseline needs to reach the contestant's mean at a turn."""
    curve = comparison.of(comparison.names[0])
    sizes = [one.size for one in curve]
    patients = contestant.patients(turn)
    # As many runs and patients everywhere: each column is one sample of the same patients.
    samples = np.stack([resampled(one.at(metric, turn), patients) for one in curve])
    wanted = resampled(contestant.at(metric, turn), patients)
    means = np.array([[comparison.mean(one, metric, turn).mean] for one in curve])
    reached = _reached(sizes, samples, wanted)
    low, high = np.percentile(
        reached, INTERVAL, method="nearest"
    )  # one that occurred: there is nothing between a size and infinity
    size = _reached(sizes, means, np.array([comparison.mean(contestant, metric, turn).mean]))[0]
    return Needed(float(size), float(low), float(high), (sizes[0], sizes[-1]))


def _reached(sizes: list[int], curves: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The size at which each column of curves (sizes, samples) reaches what is wanted (samples,)."""
    curves, found = np.maximum.accumulate(curves, axis=0), []
    for curve, level in zip(curves.T, wanted, strict=True):
        if level > curve[-1]:
            found.append(np.inf)
        elif level <= curve[0]:
            found.append(float(sizes[0]) if level == curve[0] else 0.0)
        else:
            after = int(np.searchsorted(curve, level))
            share = (level - curve[after - 1]) / (curve[after] - curve[after - 1])
            found.append(float(np.exp(np.log(sizes[after - 1]) * (1 - share) + np.log(sizes[after]) * share)))
    return np.array(found)
