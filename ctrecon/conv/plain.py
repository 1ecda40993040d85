"""Ordinary convolutions: features without a group."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.activation import Activation
from ctrecon.conv.convolution import Convolution
from ctrecon.conv.domain import Domain
from ctrecon.conv.family import ConvFamily, Side, fields, whole_fields
from ctrecon.errors import InputError
from ctrecon.shapes import Features, Filter


class Plain(ConvFamily):
    """Ordinary convolutions.

    Args:
        channels: Width of a feature map.
        kernel: Filter width, odd.
        padding: zeros or replicate.
        activation: s.
        bias: Whether layers add one.

    Example:
        >>> sum(p.numel() for p in Plain(channels=8).lift(2).parameters())
        152
    """

    def __init__(
        self, channels: int, kernel: int = 3, padding: str = "zeros", activation: Activation | None = None, bias: bool = True
    ) -> None:
        super().__init__(kernel, padding, activation, bias)
        self.width = whole_fields(channels, self.order)

    def _layer(self, inputs: Side, outputs: Side) -> Convolution:
        return FreeFilter(fields(inputs)[1], fields(outputs)[1], self.kernel, self.domain)

    def turn(self, z: Features) -> Features:
        raise InputError("ordinary features carry no quarter turn: use an equivariant family such as conv=c4")


class FreeFilter(Convolution):
    """Every entry of the filter is a parameter."""

    def __init__(self, inputs: int, outputs: int, kernel: int, domain: Domain) -> None:
        super().__init__(domain)
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
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)
