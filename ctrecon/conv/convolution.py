"""A convolution z -> K z + b on plain tensors, whatever its filter is parametrised by."""

import abc

from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.domain import Domain
from ctrecon.shapes import Channels, Features, Filter


class Convolution(nn.Module, abc.ABC):
    """K z + b at the input's size. `weight` and `bias` are the free parameters, `filter` and `shift` what they stand for.

    Args:
        domain: Where its features live.

    Attributes:
        zero_mean: Filters less their mean over the pixels that they cover: K of a constant is zero, away from the edge.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None  # None: K z alone
    zero_mean = False

    def __init__(self, domain: Domain) -> None:
        super().__init__()
        self.domain = domain

    @abc.abstractmethod
    def expand(self, weight: Float[Tensor, " n"]) -> Filter:
        """The filter of a weight: linear, and independent of training or evaluation mode."""

    @abc.abstractmethod
    def shift(self) -> Float[Tensor, " O"]:
        """The bias of each output channel, where there is one."""

    @abc.abstractmethod
    def reset_as_published(self) -> None:
        """Draw the parameters as the underlying library does by default."""

    def flip(self, z: Features) -> Features:
        """What reading the columns backwards does to its inputs: channels that carry no flip only change places."""
        return z.flip(-1)

    def filter(self) -> Filter:
        """The filter in use."""
        kernel = self.expand(self.weight)
        return kernel - kernel.mean((2, 3), keepdim=True) if self.zero_mean else kernel

    def forward(self, z: Features) -> Channels:
        """K z + b."""
        return self.domain.correlate(z, self.filter(), None if self.bias is None else self.shift(), self.flip)

    def linear(self, z: Features) -> Channels:
        """K z."""
        return self.domain.correlate(z, self.filter(), None, self.flip)

    def transpose(self, z: Features) -> Channels:
        """K^T z, exactly, with gradients to z and the filter."""
        return self.domain.transposed(z, self.filter(), self.flip)
