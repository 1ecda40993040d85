"""Fields of two parts with an energy T(p) + V(q)."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from ctrecon.ode.block import Block
from ctrecon.ode.field import VectorField
from ctrecon.ode.potential import Potential
from ctrecon.ode.promise import Promise
from ctrecon.shapes import Features

STEPS, PHASE = 400, 0.2  # in which an energy is followed: so many steps of this length over the highest frequency
GRID = 24  # pixels: conservation is a matter of the field, not of the image
NONLINEAR = 1.02  # what curvature may add to the swing of a linear oscillator


class Separable(VectorField):
    """q' = T'(p), p' = -V'(q) on states (q, p), two halves along the channels. Its flow conserves T(p) + V(q).

    Args:
        kinetic: T.
        potential: V.
    """

    def __init__(self, kinetic: Potential, potential: Potential) -> None:
        super().__init__()
        self.kinetic, self.potential = kinetic, potential

    def promises(self, block: Block) -> Iterator[Promise]:
        if self.kinetic.valued and self.potential.valued:
            swing = block.integrator.swing(PHASE)
            theory = "" if swing is None else f"largest energy over the first stays bounded ({STEPS} steps)"
            yield Promise("energy", theory, lambda z: self._drift(block, z), None if swing is None else NONLINEAR * swing)

    @torch.no_grad()
    def _drift(self, block: Block, z: Features) -> float:
        """The largest energy over the first one, in STEPS steps of PHASE over the highest frequency."""
        z = z[..., :GRID, :GRID]
        state = self.begin(z)
        first = largest = self.energy(state)
        h = PHASE / max(self.frequency(tuple(z.shape[2:])), 1e-30)
        for _ in range(STEPS):
            state = block.integrator.step(self, state, h)
            largest = torch.maximum(largest, self.energy(state))
        return (largest / first.clamp(min=1e-30)).max().item()

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
