"""Vector fields z' = f(z): what a block flows along."""

import abc

from torch import nn

from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily
from ctrecon.conv.norm import spectral_norm
from ctrecon.shapes import Features


class VectorField(nn.Module, abc.ABC):
    """A vector field on features, built from one convolution and the family's activation.

    Args:
        family: What a feature is. The field is as equivariant as the family.
    """

    def __init__(self, family: ConvFamily) -> None:
        super().__init__()
        self.K: Convolution = family.conv()
        self.activation = family.activation

    @abc.abstractmethod
    def forward(self, z: Features) -> Features:
        """f(z)."""

    @abc.abstractmethod
    def rate(self, shape: tuple[int, int]) -> float:
        """A Lipschitz constant of f on images of `shape` (H, W), for activations of slope at most 1."""


class Residual(VectorField):
    """z' = s(K z + b). Its Euler step is the residual layer; it promises nothing."""

    def forward(self, z: Features) -> Features:
        return self.activation(self.K(z))

    def rate(self, shape: tuple[int, int]) -> float:
        return spectral_norm(self.K, shape)
