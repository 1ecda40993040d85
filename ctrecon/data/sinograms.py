"""Sinograms of a scan, without images."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ctrecon.data.collection import Collection
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram


class Sinograms(Collection):
    """Measured sinograms in memory, each of an object of its own, all in every split.

    Args:
        y: The sinograms in metres.
    """

    has_truth = False

    def __init__(self, y: Sinogram) -> None:
        self._y = y

    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        return torch.full((1, 1, 1, 1), torch.nan)

    def patient(self, row: int) -> str:
        return f"sinogram {row}"

    def rows(self, split: str) -> Sequence[int]:
        return range(len(self._y))

    def measured(self, row: int, geometry: Geometry) -> Sinogram:
        return self._y[row : row + 1]
