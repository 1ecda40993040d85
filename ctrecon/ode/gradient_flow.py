"""Gradient flow, the parabolic network."""

from ctrecon.conv.norm import spectral_norm
from ctrecon.ode.field import VectorField
from ctrecon.shapes import Features


class GradientFlow(VectorField):
    """z' = -K^T s(K z + b), steepest descent on the convex potential sum S(K z + b) with S' = s nondecreasing.

    Two solutions never move apart. Euler keeps that exactly while h ||K||^2 <= 2 (slope at most 1); see `rate`.
    Source: Ruthotto and Haber (2020), parabolic CNN; Celledoni et al. (2021), section 3.
    """

    def forward(self, z: Features) -> Features:
        return -self.K.transpose(self.activation(self.K(z)))

    def rate(self, shape: tuple[int, int]) -> float:
        return spectral_norm(self.K, shape) ** 2
