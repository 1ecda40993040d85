r"""Features of sinograms, views along the rows and detector bins along the columns.

Turning the object shifts the views. On a ring (a full turn) every filter commutes with shifts. On a Moebius strip (half a turn of parallel
rays) views come back with the detector read backwards, and a filter commutes with shifts only if it commutes with that flip. Two kinds do:

`symmetric`: filters are symmetric across the detector, and features are scalars;
`regular`: features are functions on the group {identity, flip}, two channels each, with every filter that commutes with the flip.

`ordinary` has every filter, and is the control: on a Moebius strip shifts do not pass through it.

Source: as `orbit_filter`, for the group of two.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.conv.activation import Activation
from ctrecon.conv.convolution import Convolution
from ctrecon.conv.domain import Domain
from ctrecon.conv.family import ConvFamily, Side, fields, whole_fields
from ctrecon.conv.orbit_filter import OrbitFilter
from ctrecon.conv.plain import Plain
from ctrecon.errors import InputError
from ctrecon.shapes import Features, Filter


def ordinary(image: ConvFamily, domain: Domain, kernel: int = 3) -> ConvFamily:
    """Features with every filter, as wide as those of the image.

    Args:
        image: The features of the image, whose width and activation are taken over.
        domain: The strip.
        kernel: Filter width, odd.
    """
    return Plain(image.width, kernel, activation=image.activation, bias=image.bias).on(domain)


def symmetric(image: ConvFamily, domain: Domain, kernel: int = 3) -> ConvFamily:
    """Features with filters that are symmetric across the detector, where the strip needs that; arguments as for `ordinary`."""
    return (
        Symmetric(image.width, kernel, image.activation, image.bias).on(domain) if domain.flips else ordinary(image, domain, kernel)
    )


def regular(image: ConvFamily, domain: Domain, kernel: int = 3) -> ConvFamily:
    """Features that carry the flip, where the strip needs that; arguments as for `ordinary`.

    Raises:
        InputError: The width is odd.
    """
    return (
        Flipped(image.width, kernel, image.activation, image.bias).on(domain) if domain.flips else ordinary(image, domain, kernel)
    )


class _Strip(ConvFamily):
    def __init__(self, channels: int, kernel: int = 3, activation: Activation | None = None, bias: bool = True) -> None:
        super().__init__(kernel, "zeros", activation, bias)
        self.width = whole_fields(channels, self.order)

    def turn(self, z: Features) -> Features:
        raise InputError("features of a sinogram are shifted, not turned")


class Symmetric(_Strip):
    """Scalar features, filters symmetric across the detector.

    Args:
        channels: Width of a feature map.
        kernel: Filter width, odd.
        activation: s.
        bias: Whether layers add one.
    """

    def _layer(self, inputs: Side, outputs: Side) -> Convolution:
        return SymmetricFilter(fields(inputs)[1], fields(outputs)[1], self.kernel, self.domain)


class Flipped(_Strip):
    """Regular features of the flip.

    Args:
        channels: Width of a feature map in plain channels, even.
        kernel: Filter width, odd.
        activation: s.
        bias: Whether layers add one.
    """

    order = 2

    def _layer(self, inputs: Side, outputs: Side) -> Convolution:
        return FlippedFilter(self.order, fields(inputs), fields(outputs), self.kernel, self.domain)


class SymmetricFilter(Convolution):
    """w(a, -u) = w(a, u): the right half of the filter is free, its middle included."""

    def __init__(self, inputs: int, outputs: int, kernel: int, domain: Domain) -> None:
        super().__init__(domain)
        self.shape = (outputs, inputs, kernel, kernel // 2 + 1)
        self.weight = nn.Parameter(torch.zeros(outputs * inputs * kernel * (kernel // 2 + 1)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def expand(self, weight: Float[Tensor, " n"]) -> Filter:
        right = weight.reshape(self.shape)
        return torch.cat([right[..., 1:].flip(-1), right], dim=-1)

    def shift(self) -> Float[Tensor, " O"]:
        return self.bias

    def reset_as_published(self) -> None:
        """As torch draws an ordinary convolution of the same fan-in."""
        bound = (self.shape[1] * self.shape[2] ** 2) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)


class FlippedFilter(OrbitFilter):
    """One free filter for both readings of the detector."""

    def moved(self, free: Tensor, element: int) -> Tensor:
        return free.flip(-1) if element else free

    def flip(self, z: Features) -> Features:
        read = z.flip(-1)
        return read.unflatten(1, (-1, self.order)).flip(2).flatten(1, 2) if self.regular_in else read
