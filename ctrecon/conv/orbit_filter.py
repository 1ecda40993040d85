"""Filters of a cyclic group that permutes the entries of a kernel: quarter turns, or the flip of the columns.

A feature is a function z(x, g) of pixel and group element. (K z)(x, g) = sum over y and h of w(g^-1 y, h - g) z(x + y, h): one free filter
w a pair of fields, moved and rolled for every g. Nothing is interpolated and nothing smoothed: k^2 degrees of freedom a pair of fields and h.

Source: Cohen and Welling, Group equivariant convolutional networks, ICML 2016.
"""

import abc
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.convolution import Convolution
from ctrecon.conv.domain import Domain
from ctrecon.shapes import Filter


class OrbitFilter(Convolution):
    """One free filter for all elements of the group.

    Args:
        order: How many elements the group has.
        inputs: Whether the inputs are fields, and how many; scalar channels otherwise.
        outputs: The same of the outputs.
        kernel: Filter width.
        domain: Where the features live.
    """

    def __init__(self, order: int, inputs: tuple[bool, int], outputs: tuple[bool, int], kernel: int, domain: Domain) -> None:
        super().__init__(domain)
        (self.regular_in, before), (self.regular_out, after) = inputs, outputs
        self.order = order
        self.shape = (after, before, order if self.regular_in and self.regular_out else 1, kernel, kernel)
        self.weight = nn.Parameter(torch.zeros(math.prod(self.shape)))
        self.bias = nn.Parameter(torch.zeros(after))

    @abc.abstractmethod
    def moved(self, free: Tensor, element: int) -> Tensor:
        """Kernels (..., k, k), moved by a group element."""

    def expand(self, weight: Float[Tensor, " n"]) -> Filter:
        free = weight.reshape(self.shape)
        orbit = [self.moved(free.roll(g, 2), g) for g in range(self.order)]
        if self.regular_out:  # (O, g, I, h, k, k); scalars have one h
            return torch.stack(orbit, 1).flatten(2, 3).flatten(0, 1)
        if self.regular_in:
            return torch.stack(orbit, 2).flatten(1, 3)
        return free[:, :, 0]

    def shift(self) -> Float[Tensor, " O"]:
        return self.bias[:, None].expand(-1, self.order).flatten() if self.regular_out else self.bias

    def reset_as_published(self) -> None:
        """As torch draws an ordinary convolution of the same fan-in."""
        bound = 1 / math.sqrt(math.prod(self.filter().shape[1:]))
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
