"""A U-Net whose pooling and upsampling turn with the image, whatever its size."""

from collections.abc import Callable
from itertools import pairwise

from torch import nn

from ctrecon.conv.family import ConvFamily
from ctrecon.errors import InputError
from ctrecon.models.network import Network, channels_last
from ctrecon.models.pooling import enlarged, pooled
from ctrecon.ode.block import Block
from ctrecon.shapes import Channels, Features


class UNet(Network):
    """Features flow at full size, at half the size with twice the channels, and so on, and back up, each size adding what it had on the way down.

    Strided layers read a grid at every second pixel. On a side of even length that starts at one end and not at the other, and a turned image
    is read at other pixels. `pooled` and `enlarged` are symmetric about the middle on even and on odd sides.

    Args:
        family, block, inputs, outputs: As for every network.
        levels: How often sizes are halved.
        blocks: Number of blocks at each size, on the way down and on the way up.

    Raises:
        InputError: A negative number of levels.

    Source: Ronneberger, Fischer and Brox, U-Net, MICCAI 2015; Jin et al., IEEE Trans. Image Process. 26 (2017) 4509, for CT.
    """

    def __init__(
        self,
        family: ConvFamily,
        block: Callable[[ConvFamily], Block],
        inputs: int,
        outputs: int,
        levels: int = 3,
        blocks: int = 1,
    ) -> None:
        super().__init__()
        if levels < 0:
            raise InputError(f"network.levels={levels}: expected at least 0")
        families = [family.resized(2**level * family.width) for level in range(levels + 1)]
        flow = lambda one: nn.Sequential(*(block(one) for _ in range(blocks)))  # noqa: E731
        layer = lambda one, other: nn.Sequential(other.layer(one, other), other.activation)  # noqa: E731
        self.lift = nn.Sequential(family.lift(inputs), family.activation)
        self.down = nn.ModuleList(flow(one) for one in families[:-1])
        self.widen = nn.ModuleList(layer(one, other) for one, other in pairwise(families))
        self.bottom = flow(families[-1])
        self.narrow = nn.ModuleList(layer(other, one) for one, other in pairwise(families))
        self.up = nn.ModuleList(flow(one) for one in families[:-1])
        self.project = family.project(outputs)

    def forward(self, channels: Features) -> Channels:
        z, kept = self.lift(channels_last(channels)), []
        for flow, widen in zip(self.down, self.widen, strict=True):
            z = flow(z)
            kept.append(z)
            z = widen(pooled(z))
        z = self.bottom(z)
        for flow, narrow in zip(reversed(self.up), reversed(self.narrow), strict=True):
            z = flow(kept[-1] + narrow(enlarged(z, kept.pop().shape[2:])))
        return self.project(z)
