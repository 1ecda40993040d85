r"""The turns and mirrors of the square that map a scan to itself.

The pixel grid has eight symmetries: g x = rot90^k(x) or rot90^k(x^T). Where the rays of a geometry are permuted by g as well,

    (A g x)_i = (A x)_{pi_g(i)}   for every image x,

which makes g act on sinograms, and leaves only one pixel in |G| (one of each orbit) whose column of A has to be known. pi_g moves
whole views and may read their detector backwards. It is found by matching rays in space, so any set of angles in any order will do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

TOLERANCE = 1e-6  # of the image's side, by which rays may miss each other: far below what a projector resolves


@dataclass(frozen=True, eq=False)
class Move:
    """One symmetry g, on images and on sinograms.

    Attributes:
        quarters: Quarter turns, counter-clockwise on screen.
        mirrored: Whether the image is transposed before.
        views: (A,) where each view of the moved image is found in the sinogram of the image.
        reversed: (A,) whether its detector is read backwards.
    """

    quarters: int
    mirrored: bool
    views: np.ndarray
    reversed: np.ndarray

    def of_image(self, x: Tensor) -> Tensor:
        """g x, for images (..., N, N)."""
        return (x.transpose(-2, -1) if self.mirrored else x).rot90(self.quarters, (-2, -1))

    def of_sinogram(self, y: Tensor) -> Tensor:
        """The sinogram of g x, from y, that of x; (..., A, D)."""
        y = y[..., torch.as_tensor(self.views, device=y.device), :]
        return torch.where(torch.as_tensor(self.reversed, device=y.device)[:, None], y.flip(-1), y)

    def pixels(self, side: int) -> np.ndarray:
        """(side^2,) pixel numbers: flat g x = (flat x)[pixels]."""
        return self.of_image(_numbers(side, side)).flatten().numpy()

    def rays(self, bins: int) -> np.ndarray:
        """(A * bins,) ray numbers pi_g."""
        return self.of_sinogram(_numbers(len(self.views), bins)).flatten().numpy()


def _numbers(*shape: int) -> Tensor:
    return torch.arange(shape[0] * shape[1]).reshape(shape)


def symmetries(frames: Float[np.ndarray, "A P 2"], side: int | float) -> Sequence[Move]:
    """The group of symmetries of a scan, the identity first.

    Args:
        frames: Points that fix the rays of a view, in metres from the image's centre; the last one is the half of the detector's
            extent, the vector that changes its sign where the detector is read backwards.
        side: Of the image in metres.
    """
    from scipy.spatial import cKDTree  # slow to import, and not needed where symmetries are not

    reverse = frames.copy()
    reverse[:, -1] *= -1
    forwards, backwards = (cKDTree(points.reshape(len(frames), -1)) for points in (frames, reverse))
    found = []
    for mirrored in (False, True):
        for quarters in range(4):
            moved = frames
            for _ in range(quarters):  # (rot90 x)(r, c) = x(c, -r)
                moved = np.stack([moved[..., 1], -moved[..., 0]], axis=-1)
            moved = (moved[..., ::-1] if mirrored else moved).reshape(len(frames), -1)
            (miss, views), (other, others) = forwards.query(moved), backwards.query(moved)
            flips = miss > TOLERANCE * side
            views = np.where(flips, others, views)
            if (np.where(flips, other, miss) <= TOLERANCE * side).all() and len(np.unique(views)) == len(views):
                found.append(Move(quarters, mirrored, views, flips))
    return found
