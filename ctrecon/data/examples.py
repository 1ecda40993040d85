"""What a model learns from: an endless sequence of pairs, each a function of (seed, position) alone."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from torch.utils.data import Dataset

from ctrecon.data.augment import Augment
from ctrecon.data.pairs import Pairs
from ctrecon.errors import InputError
from ctrecon.shapes import Image, Sinogram

NOISE = ("fixed", "fresh")


class Examples(Dataset):
    """Every epoch is a permutation of the images, each in a pose and in a scan of its own.

    Args:
        scans: The training pairs of each scan, all of the same images.
        augment: Draws the poses.
        noise: fixed: a pair has the same noise whenever it comes; fresh: another in each epoch.
        seed: Of the order and the poses.
        batch: How many pairs a step has.
        scan: The number of the scan from which a step learns.

    Attributes:
        pairs: Those of the first scan.

    Raises:
        InputError: Another kind of noise.
    """

    def __init__(
        self, scans: Sequence[Pairs], augment: Augment, noise: str, seed: int, batch: int, scan: Callable[[int], int]
    ) -> None:
        if noise not in NOISE:
            raise InputError(f"data.noise={noise}: expected one of {', '.join(NOISE)}")
        self.scans, self.pairs, self.batch, self.scan = scans, scans[0], batch, scan
        self.augment, self.fresh, self.seed = augment, noise == "fresh", seed

    def draw(self, step: int) -> np.random.Generator:
        """What is random of a step, beside its pairs."""
        return np.random.default_rng([self.seed, 3, step])

    def __getitem__(self, position: int) -> tuple[Image, Sinogram]:
        epoch, place = divmod(position, len(self.pairs))
        pose = self.augment.pose(np.random.default_rng([self.seed, 1, position]))
        index = int(_permutation(self.seed, epoch, len(self.pairs))[place])
        return self.scans[self.scan(position // self.batch)].pair(index, pose, noise=epoch + 1 if self.fresh else 0)


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(size)
