"""The second-order network: a wave equation."""

import torch

from ctrecon.conv.family import ConvFamily
from ctrecon.ode.potential import Layered, Quadratic
from ctrecon.ode.separable import Separable
from ctrecon.shapes import Channels, Features


class SecondOrder(Separable):
    """z'' = -K^T s(K z + b) from rest: q = z, p = z', p(0) = 0. The energy |z'|^2 / 2 + sum S(K z + b) is conserved.

    The leapfrog's positions obey z_(j+1) = 2 z_j - z_(j-1) - h^2 K^T s(K z_j + b).

    Args:
        family: What a feature is. The field is as equivariant as the family.

    Source: Ruthotto and Haber (2020), second-order CNN.
    """

    at_rest = True

    def __init__(self, family: ConvFamily) -> None:
        super().__init__(kinetic=Quadratic(), potential=Layered(family))

    def begin(self, z: Features) -> Channels:
        return torch.cat([z, torch.zeros_like(z)], dim=1)

    def end(self, state: Features) -> Channels:
        return state.chunk(2, dim=1)[0]
