"""Ordinary convolutions: features without a group."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.activation import Activation
from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily, odd_kernel
from ctrecon.errors import InputError
from ctrecon.shapes import Features, Filter


class Plain(ConvFamily):
    """Ordinary convolutions.

    Args:
        channels: Width of a feature map.
        kernel: Filter width, odd.
        padding: zeros or replicate.
        activation: s.

    Example:
        >>> sum(p.numel() for p in Plain(channels=8).lift(2).parameters())
        152
    """

    def __init__(self, channels: int, kernel: int = 3, padding: str = "zeros", activation: Activation | None = None) -> None:
        super().__init__(activation)
        if channels < 1:
            raise InputError(f"conv.channels={channels}: expected at least one")
        self.width, self.kernel, self.padding = channels, odd_kernel(kernel), padding

    def layer(self, inputs: int | None, outputs: int | None) -> Convolution:
        return FreeFilter(inputs or self.width, outputs or self.width, self.kernel, self.padding)

    def turn(self, z: Features) -> Features:
        raise InputError("ordinary features carry no quarter turn: use an equivariant family such as conv=c4")

    def resized(self, channels: int) -> "Plain":
        return Plain(channels, self.kernel, self.padding, self.activation)


class FreeFilter(Convolution):
    """Every entry of the filter is a parameter."""

    def __init__(self, inputs: int, outputs: int, kernel: int, padding: str) -> None:
        super().__init__(padding)
        self.shape = (outputs, inputs, kernel, kernel)
        self.weight = nn.Parameter(torch.zeros(math.prod(self.shape)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def expand(self, weight: Float[Tensor, " n"]) -> Filter:
        return weight.reshape(self.shape)

    def shift(self) -> Float[Tensor, " O"]:
        return self.bias

    def reset_as_published(self) -> None:
        """torch's default: all uniform within 1 / sqrt(fan-in)."""
        bound = 1 / math.sqrt(math.prod(self.shape[1:]))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
