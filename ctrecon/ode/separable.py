"""Fields of two parts with an energy T(p) + V(q)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ctrecon.ode.field import VectorField
from ctrecon.ode.potential import Potential
from ctrecon.shapes import Features


class Separable(VectorField):
    """q' = T'(p), p' = -V'(q) on states (q, p), two halves along the channels. Its flow conserves T(p) + V(q).

    Args:
        kinetic: T.
        potential: V.
    """

    def __init__(self, kinetic: Potential, potential: Potential) -> None:
        super().__init__()
        self.kinetic, self.potential = kinetic, potential

    def velocity(self, p: Features) -> Features:
        """q'."""
        return self.kinetic(p)

    def force(self, q: Features) -> Features:
        """p'."""
        return -self.potential(q)

    def forward(self, state: Features) -> Features:
        q, p = state.chunk(2, dim=1)
        return torch.cat([self.velocity(p), self.force(q)], dim=1)

    def energy(self, state: Features) -> Float[Tensor, " B"]:
        """T(p) + V(q). Raises NotImplementedError for an activation that is not pointwise."""
        q, p = state.chunk(2, dim=1)
        return self.kinetic.value(p) + self.potential.value(q)

    def rate(self, shape: tuple[int, int]) -> float:
        return max(self.kinetic.rate(shape), self.potential.rate(shape))

    def frequency(self, shape: tuple[int, int]) -> float:
        """The highest angular frequency of its linearisations on images of `shape`: a splitting is stable while h times it is < 2."""
        return math.sqrt(self.kinetic.rate(shape) * self.potential.rate(shape))
