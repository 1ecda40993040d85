"""Gradient flow, the parabolic network."""

from collections.abc import Iterator

import torch

from ctrecon.conv.family import ConvFamily
from ctrecon.ode.block import Block
from ctrecon.ode.field import VectorField
from ctrecon.ode.potential import Layered
from ctrecon.ode.promise import Promise
from ctrecon.shapes import Features

RISE = 1e-6  # of the first value: rounding in float32


class GradientFlow(VectorField):
    """z' = -K^T s(K z + b), steepest descent on the convex potential sum S(K z + b) with S' = s nondecreasing.

    Two solutions never move apart. An explicit step keeps that exactly while h L ||K||^2 <= 2, L the slope of s; see `rate`, and
    `Nonexpansive`, which enforces it.

    Args:
        family: What a feature is. The field is as equivariant as the family.

    Source: Ruthotto and Haber (2020), parabolic CNN; Celledoni et al. (2021), section 3.
    """

    def __init__(self, family: ConvFamily) -> None:
        super().__init__()
        self.potential = Layered(family)

    @property
    def dissipative(self) -> bool:
        return self.potential.valued

    def promises(self, block: Block) -> Iterator[Promise]:
        if self.dissipative and self is block.field:
            kept = block.nonexpansive
            yield Promise("energy", "the potential never rises" if kept else "", lambda z: _rise(block, z), RISE if kept else None)

    def forward(self, state: Features) -> Features:
        return -self.potential(state)

    def rate(self, shape: tuple[int, int]) -> float:
        return self.potential.rate(shape)


@torch.no_grad()
def _rise(block: Block, z: Features) -> float:
    """The largest rise of the potential in a step, over its first value: a step of h rate <= 2 has none."""
    state, rise = block.field.begin(z), 0.0
    first = block.field.potential.value(state).abs().clamp(min=1e-30)
    for field, h in block.plan():
        before = field.potential.value(state)
        state = block.integrator.step(field, state, h)
        rise = max(rise, ((field.potential.value(state) - before) / first).max().item())
    return rise
