"""Vector fields z' = f(z): what a block flows along."""

import abc
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import nn

from ctrecon.conv.family import ConvFamily
from ctrecon.conv.norm import spectral_norm
from ctrecon.ode.promise import Promise
from ctrecon.shapes import Channels, Features


class VectorField(nn.Module, abc.ABC):
    """A vector field on states, which are features, or several feature maps stacked along the channels.

    Attributes:
        at_rest: Whether features do not move at first, because states begin with a velocity of zero.
        dissipative: Whether f is minus the gradient of a convex function, whose flow brings no two states further apart.
    """

    at_rest: ClassVar[bool] = False
    dissipative: bool = False

    @abc.abstractmethod
    def forward(self, state: Features) -> Features:
        """f(state)."""

    @abc.abstractmethod
    def rate(self, shape: tuple[int, int]) -> float:
        """A Lipschitz constant of f on images of `shape` (H, W)."""

    def promises(self, block: nn.Module) -> Iterator[Promise]:
        """What it promises as a field of a `Block`; each becomes a line of the certificate."""
        yield from ()

    @torch.no_grad()
    def reset_as_published(self) -> None:
        """Draw what the paper does not draw by the default of the library."""

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

    @torch.no_grad()
    def reset_as_published(self) -> None:
        # A symmetric layer would never leave zero: where K = 0, -K^T s(K z + b) has no gradient to K.
        self.K.weight.zero_()
        if self.K.bias is not None:
            self.K.bias.zero_()
