"""Cells whose iteration converges."""

import math
from collections.abc import Callable

import torch
from torch import nn

from ctrecon.conv.family import ConvFamily
from ctrecon.conv.images import Images
from ctrecon.errors import InputError
from ctrecon.models.cell import Cell
from ctrecon.ode.block import Block
from ctrecon.shapes import Features, Image


class Averaged(Cell):
    """A cell that brings no two images further apart, so that repeating it converges: x <- T(x - gradient).

    T = (1 - w) I + w N is what convex analysis calls an averaged operator: a mean of the identity I and a non-expansive map N of images. (Means
    over turns, `averaged=true`, and moving averages of weights, `fit.average`, are other things.) Here N(x) = blocks(c x) / c is a flow of
    images (B, 1, H, W) through non-expansive blocks, whose convolutions lead from images to features and back. The scale c and
    w = weight t^2 / (1 + t^2) are learned; w stays between 0 and `weight`.

    A block descends the potential sum S(K x + b), S' = s. Where s saturates, as tanh does, small differences of pixels cost much and edges
    little, as in total variation, and c says what is small. With a ReLU it is the other way round, and such a cell learns little.

    The gradient step of normalised least squares is averaged too. So the iteration of one such cell converges to a fixed point wherever it has
    one, whatever was learned. With several cells each step is non-expansive, and no more is promised.

    Args:
        family, block, memory: As for every cell; memory has to be 0.
        blocks: Number of blocks.
        weight: The largest w, between 0 and 1.
        scale: c before training: one over the differences of pixels that are noise, in attenuation / mu_max.

    Raises:
        InputError: A memory, a weight out of range, or blocks and paddings that may expand.

    Source: Bauschke and Combettes, Convex Analysis and Monotone Operator Theory (2017), propositions 4.46 and 5.16; for one block of one step,
    Goujon et al., IEEE Trans. Comput. Imaging 9 (2023) 784.
    """

    lipschitz = 1.0
    repeatable = False  # its norms are followed while it runs

    def __init__(
        self,
        family: ConvFamily,
        block: Callable[[ConvFamily], Block],
        memory: int,
        blocks: int = 1,
        weight: int | float = 0.9,
        scale: int | float = 30.0,
    ) -> None:
        super().__init__()
        if memory:
            raise InputError(f"model.memory={memory}: cell=averaged works on the image alone: say model.memory=0")
        if not 0 < weight < 1:
            raise InputError(f"cell.weight={weight}: expected a number between 0 and 1, such as 0.5")
        if not scale > 0:
            raise InputError(f"cell.scale={scale}: expected a positive number")
        self.weight = weight
        self.scale, self.strength = nn.Parameter(torch.tensor(math.log(scale))), nn.Parameter(torch.tensor(1.0))
        self.blocks = nn.Sequential(*(block(Images(family)) for _ in range(blocks)))
        if not all(b.nonexpansive for b in self.blocks):
            raise InputError("cell=averaged needs blocks that never expand: say block=nonexpansive field=gradient_flow")

    def forward(self, x: Image, gradient: Image, s: Features) -> tuple[Image, Features]:
        u, c, t = x - gradient, self.scale.exp(), self.strength.square()
        return u + self.weight * t / (1 + t) * (self.blocks(c * u) / c - u), s

    @torch.no_grad()
    def scale_correction(self, gain: int | float) -> None:
        self.strength *= math.sqrt(gain)
