"""Images as features: one scalar channel, with convolutions that lead to a family's features."""

from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily, Side
from ctrecon.shapes import Features


class Images(ConvFamily):
    """What a gradient field needs to flow images themselves: K goes from images to features, K^T back, and no lift stands before them.

    The gradient K^T s(K x + b) is an image, turned by every turn that the features carry. K has no direction that images do not see. Its
    filters have mean zero, as differences of pixels have: what flows says nothing of how bright an image is, and learns several times as fast.

    Args:
        family: The features that K leads to.
    """

    width = 1

    def __init__(self, family: ConvFamily) -> None:
        self.family, self.kernel, self.domain, self.rotations = family, family.kernel, family.domain, family.rotations
        self.bias, self._activation = family.bias, family._activation

    @property
    def activation(self):
        return self.family.activation

    def _layer(self, inputs: Side, outputs: Side) -> Convolution:
        layer = self.family.lift(1)
        layer.zero_mean = True
        return layer

    def turn(self, z: Features) -> Features:
        return z.rot90(1, (2, 3))
