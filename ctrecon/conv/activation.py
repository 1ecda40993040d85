"""Activations: pointwise nondecreasing functions s. Pointwise maps commute with permutations of channels, hence with the group."""

import abc
import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Activation(nn.Module, abc.ABC):
    """A nonlinearity s.

    Attributes:
        slope: A Lipschitz constant of s.
        pointwise: Whether s acts on each number alone and never falls: then s(K z + b) is pulled back to the gradient of a convex
            function, and fields built from it keep their promises.
        homogeneous: Whether s(c z) = c s(z) for all c > 0.
    """

    slope: float = 1.0
    pointwise: bool = True
    homogeneous: bool = False

    @abc.abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """s(z)."""

    def on_fields(self, number: int, order: int) -> "Activation":
        """This activation, for features of so many fields of `order` channels each: one with parameters has them for each field."""
        return self

    @abc.abstractmethod
    def integral(self, z: Tensor) -> Tensor:
        """S(z) with S' = s, pointwise: what energies are made of. Raises NotImplementedError where s is not pointwise."""


class LeakyRelu(Activation):
    """max(z, 0) + below min(z, 0).

    Args:
        below: Slope of the negative half, in [0, 1].
    """

    homogeneous = True

    def __init__(self, below: int | float = 0.01) -> None:
        super().__init__()
        self.below = below

    def forward(self, z: Tensor) -> Tensor:
        return functional.leaky_relu(z, self.below)

    def integral(self, z: Tensor) -> Tensor:
        return (z.clamp(min=0).square() + self.below * z.clamp(max=0).square()) / 2


class Relu(Activation):
    """max(z, 0)."""

    homogeneous = True

    def forward(self, z: Tensor) -> Tensor:
        return functional.relu(z)

    def integral(self, z: Tensor) -> Tensor:
        return z.clamp(min=0).square() / 2


class Prelu(Activation):
    """max(z, 0) + below min(z, 0), where the slopes are learned, one for each field of channels: what a field carries stays equivariant.

    Args:
        below: The slopes before training.

    Source: He et al., Delving deep into rectifiers, ICCV 2015.
    """

    pointwise = False  # what is learned may fall
    homogeneous = True

    def __init__(self, below: int | float = 0.0) -> None:
        super().__init__()
        self.order = 1
        self.below = nn.Parameter(torch.tensor([float(below)]))

    def on_fields(self, number: int, order: int) -> "Prelu":
        self.order = order
        self.below = nn.Parameter(self.below.detach()[:1].expand(number).clone())
        return self

    @property
    def slope(self) -> float:
        return max(1.0, self.below.abs().max().item())

    def forward(self, z: Tensor) -> Tensor:
        return z.clamp(min=0) + self._slopes() * z.clamp(max=0)

    def integral(self, z: Tensor) -> Tensor:
        return (z.clamp(min=0).square() + self._slopes() * z.clamp(max=0).square()) / 2

    def _slopes(self) -> Tensor:
        return self.below.repeat_interleave(self.order)[:, None, None]


class Tanh(Activation):
    """tanh z, smooth and bounded."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(z)

    def integral(self, z: Tensor) -> Tensor:
        return z.abs() + torch.log1p(torch.exp(-2 * z.abs())) - math.log(2)  # log cosh z, which overflows for large z


class Softplus(Activation):
    """log(1 + exp z), smooth."""

    def forward(self, z: Tensor) -> Tensor:
        return functional.softplus(z)

    @torch.no_grad()
    def integral(self, z: Tensor) -> Tensor:
        """-Li2(-exp z) by scipy, without gradients; where z > 0 by its inversion formula, exp z being too large a number there."""
        from scipy.special import spence  # takes as long to import as a small reconstruction, and is seldom needed

        tail = torch.from_numpy(spence(1 + torch.exp(-z.abs()).double().cpu().numpy())).to(z)
        return torch.where(z > 0, z.square() / 2 + math.pi**2 / 6 + tail, -tail)
