"""Convolution families: what a feature is. One interface for ordinary and group-equivariant features."""

import abc

from ctrecon.conv.activation import Activation, LeakyRelu
from ctrecon.conv.convolution import Convolution
from ctrecon.errors import InputError
from ctrecon.shapes import Features


class ConvFamily(abc.ABC):
    """Makes the layers of a network on features of one kind, all on plain tensors (B, C, H, W).

    Attributes:
        width: Plain channels C of a feature map.
        rotations: Number of rotations (over a full turn) that the features carry; 1: none.
        activation: A nonlinearity that commutes with permutations of the channels, hence with the group.

    Args:
        activation: Leaky ReLU where none is given.
    """

    width: int
    rotations: int = 1

    def __init__(self, activation: Activation | None) -> None:
        self.activation = activation or LeakyRelu()

    @abc.abstractmethod
    def layer(self, inputs: int | None, outputs: int | None) -> Convolution:
        """A convolution between numbers of scalar channels, or features where the number is None."""

    @abc.abstractmethod
    def turn(self, z: Features) -> Features:
        """The features of the turned image: the action of a quarter turn.

        Raises:
            InputError: These features carry no quarter turn.
        """

    @abc.abstractmethod
    def resized(self, channels: int) -> "ConvFamily":
        """The same kind of features, of another width. Raises InputError where that is not a number of whole features."""

    def lift(self, channels: int) -> Convolution:
        """From scalar channels to features."""
        return self.layer(channels, None)

    def conv(self) -> Convolution:
        """From features to features."""
        return self.layer(None, None)

    def project(self, channels: int) -> Convolution:
        """From features to scalar channels."""
        return self.layer(None, channels)


def odd_kernel(kernel: int) -> int:
    """The kernel width. Raises InputError unless it is odd."""
    if kernel < 1 or kernel % 2 == 0:
        raise InputError(f"conv.kernel={kernel}: expected an odd number")
    return kernel
