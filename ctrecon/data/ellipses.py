"""Random ellipse phantoms, each a function of (seed, row): any row, in any order, from any process."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ctrecon.data.collection import Collection
from ctrecon.data.split import SPLITS
from ctrecon.errors import InputError

BLOCK = 1_000_000  # rows of each split: their phantoms never meet


class Ellipses(Collection):
    """A body ellipse of about water, with random ellipses in it from air to bone, edges smoothed over a pixel.

    Args:
        size: Rows and columns.
        seed: Of all phantoms.

    Raises:
        InputError: An image of no pixels.
    """

    endless: ClassVar[bool] = True

    def __init__(self, size: int = 256, seed: int = 0) -> None:
        if size < 4:
            raise InputError(f"data.size={size}: expected at least 4 pixels")
        self.size, self.seed = size, seed

    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        draw = np.random.default_rng([self.seed, row])
        axis = (np.arange(self.size, dtype=np.float32) + 0.5) / self.size * 2 - 1
        x = np.zeros((self.size,) * 2, dtype=np.float32)
        body = draw.uniform(0.55, 0.85, 2)
        self._paint(x, axis, np.zeros(2), body, draw.uniform(0, np.pi), draw.uniform(0.2, 0.28))
        for _ in range(draw.integers(5, 16)):
            radius, angle = 0.75 * np.sqrt(draw.uniform()), draw.uniform(0, 2 * np.pi)
            centre = radius * body.min() * np.array([np.cos(angle), np.sin(angle)])
            half_axes = draw.uniform(0.03, 0.3, 2) * draw.uniform(0.4, 1)
            self._paint(x, axis, centre, half_axes, draw.uniform(0, np.pi), draw.normal(0, 0.1))
        return torch.from_numpy(x.clip(0, 1))[None, None]

    def _paint(self, x: np.ndarray, axis: np.ndarray, centre, half_axes, tilt: float, value: float) -> None:
        across, down = axis[None, :] - centre[0], axis[:, None] - centre[1]
        u = (across * np.cos(tilt) + down * np.sin(tilt)) / half_axes[0]
        v = (down * np.cos(tilt) - across * np.sin(tilt)) / half_axes[1]
        radius = np.sqrt(u * u + v * v)
        edge = 2 / self.size / half_axes.min()
        x += (value * ((1 - radius) / edge + 0.5).clip(0, 1)).astype(np.float32)

    def patient(self, row: int) -> str:
        return f"phantom {row}"

    def rows(self, split: str) -> Sequence[int]:
        first = SPLITS.index(split) * BLOCK
        return range(first, first + BLOCK)
