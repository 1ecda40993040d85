"""Cells whose iteration converges."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ctrecon.conv.family import ConvFamily
from ctrecon.conv.norm import NormBound
from ctrecon.errors import InputError
from ctrecon.models.cell import Cell
from ctrecon.ode.block import Block
from ctrecon.ode.nonexpansive import Nonexpansive
from ctrecon.shapes import Features, Image

PACE = 10.0  # Adam moves a parameter by its learning rate a step: with 1e-3, some hundred steps take the weight anywhere


class Averaged(Cell):
    """x <- T(x - gradient), T = (1 - a) I + a N with N non-expansive and 0 < a < 1 learned.

    N(u) = L^T blocks(s(L u + b)) / ||L||^2, with the lift L, its exact transpose and non-expansive blocks. T is averaged, and so is
    the gradient step of normalised least squares; then so is the iteration of one such cell, which therefore converges to a fixed
    point wherever it has one, whatever was learned. With several cells each step is non-expansive, no more is promised.

    Args:
        family, block, memory: As for every cell; memory has to be 0.
        blocks: Number of blocks.

    Raises:
        InputError: A memory, or blocks, activations and paddings that may expand.

    Source: Bauschke and Combettes, Convex Analysis and Monotone Operator Theory (2017), propositions 4.46 and 5.16.
    """

    def __init__(self, family: ConvFamily, block: Callable[[], Block], memory: int, blocks: int = 1) -> None:
        super().__init__()
        if memory:
            raise InputError(f"model.memory={memory}: cell=averaged works on the image alone: say model.memory=0")
        if not family.activation.pointwise or family.activation.slope > 1:
            raise InputError("cell=averaged needs an activation of slope 1: say normalisation=none and another activation")
        self.lift, self.activation = family.lift(1), family.activation
        self.blocks = nn.Sequential(*(block() for _ in range(blocks)))
        if not all(isinstance(b, Nonexpansive) for b in self.blocks):
            raise InputError("cell=averaged needs blocks that never expand: say block=nonexpansive field=gradient_flow")
        self.norm = NormBound(self.lift)
        self.root = nn.Parameter(torch.ones(()))

    @property
    def weight(self) -> Tensor:
        """a = r^2 / (1 + r^2), r = PACE root."""
        square = (PACE * self.root).square()
        return square / (1 + square)

    def forward(self, x: Image, gradient: Image, s: Features) -> tuple[Image, Features]:
        u = x - gradient
        return u + self.weight * (self.nonexpansive(u) - u), s

    def nonexpansive(self, u: Image) -> Image:
        """N(u)."""
        scale = self.norm().square()
        return self.lift.transpose(self.blocks(self.activation(self.lift(u)))) / scale.clamp(min=1e-30)

    @torch.no_grad()
    def quieten(self, gain: int | float) -> None:
        self.root.fill_(math.sqrt(gain) / PACE)
