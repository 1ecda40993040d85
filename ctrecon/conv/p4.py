"""Group convolutions of the pixel grid's quarter turns, with every equivariant filter of any odd width.

A feature is a function of pixel and quarter turn, as `orbit_filter` says. Turning the grid by 90 degrees permutes its pixels, so nothing is
interpolated and nothing smoothed: as many degrees of freedom a pair of fields and turn as an ordinary filter has.

Source: Cohen and Welling, Group equivariant convolutional networks, ICML 2016.
"""

from torch import Tensor

from ctrecon.conv.activation import Activation
from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily, Side, fields, whole_fields
from ctrecon.conv.orbit_filter import OrbitFilter
from ctrecon.shapes import Features

QUARTERS = 4


class P4(ConvFamily):
    """Regular features of the four quarter turns, with the full basis.

    Args:
        channels: Width of a feature map in plain channels, a multiple of 4.
        kernel: Filter width, odd.
        padding: zeros or replicate.
        activation: s.
        bias: Whether layers add one.

    Raises:
        InputError: A value does not fit.
    """

    order = rotations = QUARTERS

    def __init__(
        self, channels: int, kernel: int = 3, padding: str = "zeros", activation: Activation | None = None, bias: bool = True
    ) -> None:
        super().__init__(kernel, padding, activation, bias)
        self.width = whole_fields(channels, self.order)

    def _layer(self, inputs: Side, outputs: Side) -> Convolution:
        return TurnedFilter(QUARTERS, fields(inputs), fields(outputs), self.kernel, self.domain)

    def turn(self, z: Features) -> Features:
        turned = z.rot90(1, (2, 3)).unflatten(1, (-1, QUARTERS))
        return turned.roll(1, 2).flatten(1, 2)


class TurnedFilter(OrbitFilter):
    """One free filter for all four turns."""

    def moved(self, free: Tensor, element: int) -> Tensor:
        return free.rot90(element, (-2, -1))
