"""Cells whose iteration converges."""

import math
from collections.abc import Callable

import torch
from torch import nn

from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily
from ctrecon.conv.norm import NormBound
from ctrecon.errors import InputError
from ctrecon.models.cell import Cell
from ctrecon.ode.block import Block
from ctrecon.shapes import Features, Image


class Averaged(Cell):
    """A cell that brings no two images further apart, so that repeating it converges: x <- T(x - gradient).

    T = (1 - weight) I + weight N is what convex analysis calls an averaged operator: a mean of the identity I and a non-expansive map N
    of images. (Means over turns, `averaged=true`, and moving averages of weights, `fit.average`, are other things.) Here
    N(u) = u + L^T (blocks(v) - v) / ||L||^2 at v = L u + b, where u is an image (B, 1, H, W), v are features (B, C, H, W), L is the lift
    and L^T its exact transpose, and the blocks are non-expansive.

    N is non-expansive, because with R = L / ||L|| and the isometry V u = (R u, (I - R^T R)^(1/2) u) it is V^T (blocks + I) V up to scaling
    and shift; where the blocks are the identity, so is N. The gradient step of normalised least squares is averaged too. So the
    iteration of one such cell converges to a fixed point wherever it has one, whatever was learned. With several cells each step
    is non-expansive, and no more is promised.

    Args:
        family, block, memory: As for every cell; memory has to be 0.
        blocks: Number of blocks.
        weight: Of N, between 0 and 1.

    Raises:
        InputError: A memory, a weight out of range, or blocks and paddings that may expand.

    Source: Bauschke and Combettes, Convex Analysis and Monotone Operator Theory (2017), propositions 4.46 and 5.16.
    """

    lipschitz = 1.0
    repeatable = False  # its norm is followed while it runs

    def __init__(
        self, family: ConvFamily, block: Callable[[ConvFamily], Block], memory: int, blocks: int = 1, weight: int | float = 0.5
    ) -> None:
        super().__init__()
        if memory:
            raise InputError(f"model.memory={memory}: cell=averaged works on the image alone: say model.memory=0")
        if not 0 < weight < 1:
            raise InputError(f"cell.weight={weight}: expected a number between 0 and 1, such as 0.5")
        self.lift, self.weight = family.lift(1), weight
        self.blocks = nn.Sequential(*(block(family) for _ in range(blocks)))
        if not all(b.nonexpansive for b in self.blocks):
            raise InputError("cell=averaged needs blocks that never expand: say block=nonexpansive field=gradient_flow")
        self.norm = NormBound(self.lift)

    def forward(self, x: Image, gradient: Image, s: Features) -> tuple[Image, Features]:
        u = x - gradient
        v = self.lift(u)
        moved = self.lift.transpose(self.blocks(v) - v)
        return u + self.weight * moved / self.norm().square().clamp(min=1e-30), s

    @torch.no_grad()
    def scale_correction(self, gain: int | float) -> None:
        for block in self.blocks:
            for layer in block.modules():
                if isinstance(layer, Convolution):
                    layer.weight *= math.sqrt(gain)  # a gradient flow is quadratic in K
