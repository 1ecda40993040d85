"""Vector fields z' = f(z): what a block flows along."""

import abc
from typing import ClassVar

from torch import nn

from ctrecon.conv.family import ConvFamily
from ctrecon.conv.norm import spectral_norm
from ctrecon.shapes import Channels, Features


class VectorField(nn.Module, abc.ABC):
    """A vector field on states, which are features, or several feature maps stacked along the channels.

    Attributes:
        at_rest: Whether features do not move at first, because states begin with a velocity of zero.
    """

    at_rest: ClassVar[bool] = False

    @abc.abstractmethod
    def forward(self, state: Features) -> Features:
        """f(state)."""

    @abc.abstractmethod
    def rate(self, shape: tuple[int, int]) -> float:
        """A Lipschitz constant of f on images of `shape` (H, W)."""

    def begin(self, z: Features) -> Channels:
        """The state that features start from."""
        return z

    def end(self, state: Features) -> Channels:
        """The features of a state."""
        return state


class Residual(VectorField):
    """z' = s(K z + b). Its Euler step is the residual layer; it promises nothing.

    Args:
        family: What a feature is. The field is as equivariant as the family.
    """

    def __init__(self, family: ConvFamily) -> None:
        super().__init__()
        self.K, self.activation = family.conv(), family.activation

    def forward(self, state: Features) -> Features:
        return self.activation(self.K(state))

    def rate(self, shape: tuple[int, int]) -> float:
        return self.activation.slope * spectral_norm(self.K, shape)
