"""Group convolutions of the pixel grid's quarter turns, with every equivariant filter of any odd width.

A feature is a function z(x, g) of pixel and quarter turn g. (K z)(x, g) = sum over y and h of w(R^-g y, h - g) z(x + y, h): one
free filter w a pair of fields, turned and rolled for the four g. Turning the grid by 90 degrees permutes its pixels, so nothing is
interpolated and nothing smoothed: k^2 degrees of freedom a pair of fields and h, as many as an ordinary filter has.

Source: Cohen and Welling, Group equivariant convolutional networks, ICML 2016.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.activation import Activation
from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily, odd_kernel
from ctrecon.errors import InputError
from ctrecon.shapes import Features, Filter

QUARTERS = 4


class P4(ConvFamily):
    """Regular features of the four quarter turns, with the full basis.

    Args:
        channels: Width of a feature map in plain channels, a multiple of 4.
        kernel: Filter width, odd.
        padding: zeros or replicate.
        activation: s.

    Raises:
        InputError: A value does not fit.
    """

    rotations = QUARTERS

    def __init__(self, channels: int, kernel: int = 3, padding: str = "zeros", activation: Activation | None = None) -> None:
        super().__init__(activation)
        if channels % QUARTERS:
            raise InputError(
                f"conv.channels={channels}: expected a multiple of 4, the number of channels of a field of quarter turns"
            )
        self.width, self.kernel, self.padding = channels, odd_kernel(kernel), padding

    def layer(self, inputs: int | None, outputs: int | None) -> Convolution:
        return TurnedFilter(self.width // QUARTERS, inputs, outputs, self.kernel, self.padding)

    def turn(self, z: Features) -> Features:
        fields = z.rot90(1, (2, 3)).unflatten(1, (-1, QUARTERS))
        return fields.roll(1, 2).flatten(1, 2)

    def resized(self, channels: int) -> "P4":
        return P4(channels, self.kernel, self.padding, self.activation)


class TurnedFilter(Convolution):
    """One free filter for all four turns; scalar channels where a number is given, fields where it is None."""

    def __init__(self, fields: int, inputs: int | None, outputs: int | None, kernel: int, padding: str) -> None:
        super().__init__(padding)
        self.regular_in, self.regular_out = inputs is None, outputs is None
        self.shape = (outputs or fields, inputs or fields, QUARTERS if self.regular_in and self.regular_out else 1, kernel, kernel)
        self.weight = nn.Parameter(torch.zeros(math.prod(self.shape)))
        self.bias = nn.Parameter(torch.zeros(outputs or fields))

    def expand(self, weight: Float[Tensor, " n"]) -> Filter:
        free = weight.reshape(self.shape)
        turned = [free.roll(g, 2).rot90(g, (3, 4)) for g in range(QUARTERS)]
        if self.regular_out:  # (O, g, I, h, k, k); scalars have one h
            return torch.stack(turned, 1).flatten(2, 3).flatten(0, 1)
        if self.regular_in:
            return torch.stack(turned, 2).flatten(1, 3)
        return free[:, :, 0]

    def shift(self) -> Float[Tensor, " O"]:
        return self.bias[:, None].expand(-1, QUARTERS).flatten() if self.regular_out else self.bias

    def reset_as_published(self) -> None:
        """As torch draws an ordinary convolution of the same fan-in."""
        bound = 1 / math.sqrt(math.prod(self.filter().shape[1:]))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.bias)
