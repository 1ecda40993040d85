"""Turned, mirrored and shifted images are images as well: the model must reconstruct them from their own sinograms."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctrecon.data.augment import Pose
from ctrecon.data.scanner import posed
from ctrecon.errors import InputError
from ctrecon.objective.attempt import Attempt
from ctrecon.objective.objective import Objective
from ctrecon.shapes import Image

TURNS = ("any", "quarters", "none")


class Equivariance(Objective):
    """|f(A T x + noise) - T x|^2 / |T x|^2 with x = f(y), T a turn, mirror and shift drawn at random, the same for all pairs of a step.

    It tells something of what A does not see of x where T and A do not commute. Alone it is least for a model that makes nothing of everything.

    Args:
        turns: any: by any angle; quarters: by multiples of 90 degrees; none.
        mirrors: Mirror half the time.
        shift: By at most so much of the image's side along either axis; what leaves the image is lost.
        noisy: Whether the sinograms of turned images get noise like that of the given ones.

    Raises:
        InputError: Other turns, or a shift out of [0, 0.5].

    Source: Chen, Tachella and Davies, Equivariant imaging, ICCV 2021; with noise: the same, Robust equivariant imaging, CVPR 2022.
    """

    def __init__(self, turns: str = "any", mirrors: bool = False, shift: int | float = 0.0, noisy: bool = True) -> None:
        if turns not in TURNS:
            raise InputError(f"objective.turns={turns}: expected one of {', '.join(TURNS)}")
        if not 0 <= shift <= 0.5:
            raise InputError(f"objective.shift={shift}: expected a number from 0 to 0.5")
        self.turns, self.mirrors, self.shift, self.noisy = turns, mirrors, shift, noisy

    def loss(self, attempt: Attempt) -> Tensor:
        moved = self.moved(attempt.image, attempt.draw)
        y = attempt.setting.project(moved)
        if self.noisy:
            expected = y.detach().nan_to_num().clamp(min=0)  # of an image far from any, for whose lines no noise is drawn
            generator = torch.Generator().manual_seed(int(attempt.draw.integers(2**62)))
            y = y + (attempt.setting.noise(expected, generator) - expected)
        error = (attempt.reconstruct(y) - moved).square().mean((1, 2, 3))
        return (error / moved.detach().square().mean((1, 2, 3))).mean()

    def moved(self, x: Image, draw: np.random.Generator) -> Image:
        """T x."""
        degrees = {"any": draw.uniform(0, 360), "quarters": 90 * int(draw.integers(4)), "none": 0}[self.turns]
        x = posed(x, Pose(degrees, self.mirrors and bool(draw.integers(2))))
        rows, columns = (round(self.shift * x.shape[-1] * draw.uniform(-1, 1)) for _ in range(2))
        return pad(x, (columns, -columns, rows, -rows)) if rows or columns else x
