"""Gradient flow, the parabolic network."""

from ctrecon.conv.family import ConvFamily
from ctrecon.ode.field import VectorField
from ctrecon.ode.potential import Layered
from ctrecon.shapes import Features


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

    def forward(self, state: Features) -> Features:
        return -self.potential(state)

    def rate(self, shape: tuple[int, int]) -> float:
        return self.potential.rate(shape)
