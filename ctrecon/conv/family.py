"""Convolution families: what a feature is. One interface for ordinary and group-equivariant features."""

import abc
import copy
from typing import Union

from ctrecon.conv.activation import Activation, LeakyRelu
from ctrecon.conv.convolution import Convolution
from ctrecon.conv.domain import Domain, image_domain
from ctrecon.errors import InputError
from ctrecon.shapes import Features

Side = Union[int, "ConvFamily"]  # of a convolution: so many scalar channels, or features


class ConvFamily(abc.ABC):
    """Makes the layers of a network on features of one kind, all on plain tensors (B, C, H, W).

    Attributes:
        width: Plain channels C of a feature map.
        order: Plain channels of one field, such as 4 where a field carries the four quarter turns; `width` is a multiple of it.
        rotations: Number of rotations (over a full turn) that the features carry; 1: none.
        domain: Where the features live.

    Args:
        kernel: Filter width, odd.
        padding: What lies outside the image, zeros or replicate.
        activation: A nonlinearity that commutes with permutations of the channels, hence with the group; leaky ReLU where none is given.
        bias: Whether layers add a bias. Without it, and with a homogeneous activation, c times the inputs give c times the outputs, c > 0.

    Raises:
        InputError: A value is out of range.
    """

    width: int
    order: int = 1
    rotations: int = 1

    def __init__(self, kernel: int, padding: str, activation: Activation | None, bias: bool = True) -> None:
        if kernel < 1 or kernel % 2 == 0:
            raise InputError(f"conv.kernel={kernel}: expected an odd number")
        self.kernel, self.domain = kernel, image_domain(padding)
        self._activation, self.bias = activation or LeakyRelu(), bias

    def layer(self, inputs: Side, outputs: Side) -> Convolution:
        """A convolution between numbers of scalar channels, or features of families of this kind."""
        made = self._layer(inputs, outputs)
        if not self.bias:
            made.bias = None
        return made

    @abc.abstractmethod
    def _layer(self, inputs: Side, outputs: Side) -> Convolution:
        """The same, with a bias."""

    @abc.abstractmethod
    def turn(self, z: Features) -> Features:
        """The features of the turned image: the action of a quarter turn.

        Raises:
            InputError: These features carry no quarter turn.
        """

    @property
    def activation(self) -> Activation:
        """A nonlinearity for these features, a new one for each place: activations may have parameters."""
        return copy.deepcopy(self._activation).on_fields(self.width // self.order, self.order)

    def on_scalars(self, channels: int) -> Activation:
        """The same nonlinearity for so many scalar channels."""
        return copy.deepcopy(self._activation).on_fields(channels, 1)

    @property
    def homogeneous(self) -> bool:
        """Whether every layer followed by the activation gives c times as much for c times the inputs, c > 0."""
        return not self.bias and self._activation.homogeneous

    def on(self, domain: Domain) -> "ConvFamily":
        """The same kind of features on another domain."""
        other = copy.copy(self)
        other.domain = domain
        return other

    def resized(self, channels: int) -> "ConvFamily":
        """The same kind of features, of another width. Raises InputError where that is not a number of whole fields."""
        other = copy.copy(self)
        other.width = whole_fields(channels, self.order)
        return other

    def lift(self, channels: int) -> Convolution:
        """From scalar channels to features."""
        return self.layer(channels, self)

    def conv(self) -> Convolution:
        """From features to features."""
        return self.layer(self, self)

    def project(self, channels: int) -> Convolution:
        """From features to scalar channels."""
        return self.layer(self, channels)


def whole_fields(channels: int, order: int) -> int:
    """The width. Raises InputError unless it is a number of whole fields of `order` channels each."""
    if channels < 1 or channels % order:
        expected = "at least one" if order == 1 else f"a multiple of {order}, the channels of a field"
        raise InputError(f"conv.channels={channels}: expected {expected}")
    return channels


def fields(side: Side) -> tuple[bool, int]:
    """Whether one side of a convolution carries fields, and how many; scalar channels otherwise."""
    return (False, side) if isinstance(side, int) else (True, side.width // side.order)
