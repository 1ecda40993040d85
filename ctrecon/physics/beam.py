"""The beam of a view: a point source or parallel rays, and a flat detector.

With p a point, e the unit vector along the detector and d the one across it, parallel rays meet the detector's line at <p, e>. Those
of a source s meet it where the line from s through p does: at <s, e> + <p - s, e> L / <p - s, d>, L the distance from source to detector.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class Beam(NamedTuple):
    """The beams of V views. Points and vectors are (row, column) in metres, points from the image's centre.

    Attributes:
        source: Where the rays of each view come from, (V, 2); None: they are parallel, at right angles to the detector.
        middle: The detector's middle, (V, 2); of parallel rays, any point on the ray through it.
        step: From each bin to the next, (V, 2).
        bins: Number of bins.
    """

    source: np.ndarray | None
    middle: np.ndarray
    step: np.ndarray
    bins: int

    def of(self, views: slice) -> "Beam":
        """The beams of some of the views."""
        return Beam(None if self.source is None else self.source[views], self.middle[views], self.step[views], self.bins)

    @property
    def across(self) -> Float[np.ndarray, "V 2"]:
        """Unit vectors across the detector, away from the source."""
        return across(self.step) / np.linalg.norm(self.step, axis=1, keepdims=True)

    def distances(self, point: Float[np.ndarray, " 2"]) -> tuple[np.ndarray, np.ndarray]:
        """How far from the source, along `across`, a point and the detector are, (V,) each. Only for beams with a source."""
        return _inner(point - self.source, self.across), _inner(self.middle - self.source, self.across)

    def magnification(self, centre: Float[np.ndarray, " 2"]) -> float:
        """Of the detector over the centre of rotation, the mean over views; 1 for parallel rays."""
        if self.source is None:
            return 1.0
        to_centre, to_detector = self.distances(centre)
        return float(np.mean(to_detector / to_centre))

    def hits(
        self, axis: Float[np.ndarray, " N"], centre: Float[np.ndarray, " 2"], like: Tensor
    ) -> tuple[Float[Tensor, "V N N"], Float[Tensor, "V N N"] | None]:
        """Where the ray through each pixel meets the detector, in bins from its middle, and (R / r)^2.

        R and r are the distances from the source along `across` of `centre` and of the pixel; parallel rays have None instead.

        Args:
            axis: Coordinates of the rows, which are also those of the columns.
            centre: The centre of rotation.
            like: A tensor of the type and on the device that is wanted.
        """
        along = self.step / np.sum(self.step**2, axis=1, keepdims=True)  # <p, along> counts bins
        if self.source is None:
            return _sum(along, axis, like).sub_(_column(_inner(self.middle, along), like)), None
        to_centre, to_detector = self.distances(centre)
        # Turned pixels add up the same two numbers here, and only then the rest: their rounding is the same. In place, it is faster.
        depth = _sum(self.across / to_centre[:, None], axis, like)  # r / R
        depth.add_(_column(_inner(-self.source, self.across) / to_centre, like))
        place = _sum(along, axis, like).sub_(_column(_inner(self.source, along), like))
        place.div_(depth).mul_(_column(to_detector / to_centre, like))
        return place.sub_(_column(_inner(self.middle - self.source, along), like)), depth**-2


def _inner(one: np.ndarray, other: np.ndarray) -> Float[np.ndarray, " V"]:
    return np.sum(one * other, axis=1)


def _sum(vector: Float[np.ndarray, "V 2"], axis: Float[np.ndarray, " N"], like: Tensor) -> Float[Tensor, "V N N"]:
    """<p, vector> for each pixel p: a row's part plus a column's."""
    rows, columns = (torch.as_tensor(vector[:, k, None] * axis).to(like) for k in (0, 1))
    return rows[:, :, None] + columns[:, None, :]


def _column(numbers: Float[np.ndarray, " V"], like: Tensor) -> Float[Tensor, "V 1 1"]:
    return torch.as_tensor(numbers).to(like)[:, None, None]


def axes(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Detector axis e and direction of the central ray d of each view, (V, 2) each, as (row, column)."""
    axis = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return axis, across(axis)


def across(axis: np.ndarray) -> np.ndarray:
    """The direction of the central ray from that of the detector's axis, (V, 2) each: a quarter turn on."""
    return np.stack([-axis[:, 1], axis[:, 0]], axis=1)
