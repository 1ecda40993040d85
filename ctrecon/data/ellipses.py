"""Random ellipse phantoms, each a function of (seed, row): any row, in any order, from any process."""

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
        train_size: Phantoms to train on; likewise val_size and test_size.
        seed: Of all phantoms.

    Raises:
        InputError: A size is not between 1 and a million.
    """

    def __init__(self, size: int = 256, train_size: int = 100, val_size: int = 20, test_size: int = 50, seed: int = 0) -> None:
        self.size, self.seed = size, seed
        self.sizes = dict(zip(SPLITS, (train_size, val_size, test_size), strict=True))
        for split, number in self.sizes.items():
            if not 1 <= number <= BLOCK:
                raise InputError(f"data.{split}_size={number}: expected between 1 and {BLOCK} phantoms")

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

    def rows(self, split: str) -> list[int]:
        first = SPLITS.index(split) * BLOCK
        return list(range(first, first + self.sizes[split]))
