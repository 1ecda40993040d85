r"""Domains: where features live, and so what lies beyond the edge of a feature map.

On an image nothing is known beyond the edge. On a sinogram, views along the rows, the rows of an evenly spaced scan go round: after the
last view of a full turn comes the first one (a ring); after the last one of half a turn of parallel rays comes the first one with its
detector read backwards, because y(theta + pi, u) = y(theta, -u) (a Moebius strip). Then every shift of the views passes through a
convolution, and with it each turn of the object that the scan shares.
"""

import abc
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ctrecon.errors import InputError
from ctrecon.shapes import Channels, Features, Filter

Flip = Callable[[Tensor], Tensor]  # what reading the detector backwards does to features


class Domain(abc.ABC):
    """What lies beyond the edge of a feature map.

    Attributes:
        bounded: Whether the norm of a convolution is at most that of the same filter on an infinite grid.
        flips: Whether features meet their own flip there, so that a filter has to commute with flips for shifts to pass through.
    """

    bounded: ClassVar[bool] = True
    flips: ClassVar[bool] = False

    @abc.abstractmethod
    def extend(self, z: Features, reach: int, flip: Flip) -> Tensor:
        """Features with `reach` more rows and columns on every side, (B, C, H + 2 reach, W + 2 reach); linear in z (B, C, H, W).

        Args:
            z: The features.
            reach: Not more than H or W.
            flip: What reading the columns backwards does to features of this kind, such as `torch.Tensor.flip(z, [-1])`.
        """

    def correlate(self, z: Features, kernel: Filter, shift: Tensor | None, flip: Flip) -> Channels:
        """The filter at every pixel of z, plus `shift` for each channel."""
        return functional.conv2d(self.extend(z, kernel.shape[-1] // 2, flip), kernel, shift)

    def transposed(self, z: Channels, kernel: Filter, flip: Flip) -> Features:
        """The exact transpose of `correlate` without a shift, with gradients to z and the filter."""
        primal = z.new_zeros(len(z), kernel.shape[1], *z.shape[2:])  # the vector-Jacobian product of a linear map is its transpose
        return torch.func.vjp(lambda x: self.correlate(x, kernel, None, flip), primal)[1](z)[0]


class Zeros(Domain):
    """Zeros."""

    def extend(self, z: Features, reach: int, flip: Flip) -> Tensor:
        return functional.pad(z, 4 * (reach,))

    def correlate(self, z: Features, kernel: Filter, shift: Tensor | None, flip: Flip) -> Channels:
        return functional.conv2d(z, kernel, shift, padding=kernel.shape[-1] // 2)

    def transposed(self, z: Channels, kernel: Filter, flip: Flip) -> Features:
        return functional.conv_transpose2d(z, kernel, padding=kernel.shape[-1] // 2)


class Replicate(Domain):
    """The values at the edge, again and again."""

    bounded = False

    def extend(self, z: Features, reach: int, flip: Flip) -> Tensor:
        return functional.pad(z, 4 * (reach,), mode="replicate")


class Ring(Domain):
    """Rows go round, as the views of a full turn do; zeros beyond the columns."""

    def extend(self, z: Features, reach: int, flip: Flip) -> Tensor:
        return functional.pad(torch.cat([z[:, :, -reach:], z, z[:, :, :reach]], 2) if reach else z, (reach, reach))


class Moebius(Domain):
    """Rows go round and come back flipped, as the views of half a turn of parallel rays do; zeros beyond the columns."""

    flips = True

    def extend(self, z: Features, reach: int, flip: Flip) -> Tensor:
        wound = torch.cat([flip(z[:, :, -reach:]), z, flip(z[:, :, :reach])], 2) if reach else z
        return functional.pad(wound, (reach, reach))


PADDING = {"zeros": Zeros, "replicate": Replicate}  # of images


def image_domain(padding: str) -> Domain:
    """The domain of images that `conv.padding` names. Raises InputError: it names none."""
    if padding not in PADDING:
        raise InputError(f"conv.padding={padding}: expected one of {', '.join(PADDING)}")
    return PADDING[padding]()
