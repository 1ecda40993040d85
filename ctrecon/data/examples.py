"""What a model learns from: an endless sequence of pairs, each a function of (seed, position) alone."""

from functools import lru_cache

import numpy as np
from torch.utils.data import Dataset

from ctrecon.data.augment import Augment
from ctrecon.data.pairs import Pairs
from ctrecon.errors import InputError
from ctrecon.shapes import Image, Sinogram

NOISE = ("fixed", "fresh")


class Examples(Dataset):
    """Every epoch is a permutation of the pairs, each in a pose of its own.

    Args:
        pairs: The training pairs.
        augment: Draws the poses.
        noise: fixed: a pair has the same noise whenever it comes; fresh: another in each epoch.
        seed: Of the order and the poses.

    Raises:
        InputError: Another kind of noise.
    """

    def __init__(self, pairs: Pairs, augment: Augment, noise: str, seed: int) -> None:
        if noise not in NOISE:
            raise InputError(f"data.noise={noise}: expected one of {', '.join(NOISE)}")
        self.pairs, self.augment, self.fresh, self.seed = pairs, augment, noise == "fresh", seed

    def __getitem__(self, position: int) -> tuple[Image, Sinogram]:
        epoch, place = divmod(position, len(self.pairs))
        pose = self.augment.pose(np.random.default_rng([self.seed, 1, position]))
        index = int(_permutation(self.seed, epoch, len(self.pairs))[place])
        return self.pairs.pair(index, pose, noise=epoch + 1 if self.fresh else 0)


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(size)
