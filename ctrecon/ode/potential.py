"""Convex potentials on features: what gradient flows descend and Hamiltonian systems conserve."""

import abc

from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.family import ConvFamily
from ctrecon.conv.norm import spectral_norm
from ctrecon.shapes import Features


class Potential(nn.Module, abc.ABC):
    """A convex function V on features.

    Attributes:
        valued: Whether `value` gives its values, too.
    """

    valued: bool = True

    @abc.abstractmethod
    def forward(self, z: Features) -> Features:
        """Its gradient V'(z)."""

    @abc.abstractmethod
    def value(self, z: Features) -> Float[Tensor, " B"]:
        """V(z), one number a member of the batch. Raises NotImplementedError for an activation that is not pointwise."""

    @abc.abstractmethod
    def rate(self, shape: tuple[int, int]) -> float:
        """A Lipschitz constant of the gradient on images of `shape` (H, W)."""


class Layered(Potential):
    """V(z) = sum of S(K z + b), S' = s nondecreasing, with gradient K^T s(K z + b): the symmetric layer.

    Args:
        family: What a feature is. The gradient is as equivariant as the family, since V is invariant.

    Source: Ruthotto and Haber (2020), equation 9.
    """

    def __init__(self, family: ConvFamily) -> None:
        super().__init__()
        self.K, self.activation = family.conv(), family.activation

    @property
    def valued(self) -> bool:
        return self.activation.pointwise

    def forward(self, z: Features) -> Features:
        return self.K.transpose(self.activation(self.K(z)))

    def value(self, z: Features) -> Float[Tensor, " B"]:
        return self.activation.integral(self.K(z)).sum((1, 2, 3))

    def rate(self, shape: tuple[int, int]) -> float:
        return self.activation.slope * spectral_norm(self.K, shape) ** 2


class Quadratic(Potential):
    """V(z) = |z|^2 / 2."""

    def forward(self, z: Features) -> Features:
        return z

    def value(self, z: Features) -> Float[Tensor, " B"]:
        return z.square().sum((1, 2, 3)) / 2

    def rate(self, shape: tuple[int, int]) -> float:
        return 1.0
