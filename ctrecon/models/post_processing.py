"""A network after a classical reconstruction."""

from collections.abc import Callable

from torch import nn

from ctrecon.conv.family import ConvFamily
from ctrecon.models.initialisation import Initialisation
from ctrecon.models.learned import Learned
from ctrecon.models.model import Model
from ctrecon.models.network import Network
from ctrecon.ode.block import Block
from ctrecon.shapes import Image, Sinogram


class PostProcessing(Learned):
    """x = start(y), then x + network(x). It never looks at the sinogram again.

    Args:
        start: Model that gives the first image.
        family: What a feature is.
        network: Makes a network of a family, a maker of blocks, and numbers of channels that go in and come out.
        block: Makes a block of a family.
        initialisation: How the network is drawn.

    Source: Jin et al., IEEE Trans. Image Process. 26 (2017) 4509.
    """

    def __init__(
        self,
        start: Model,
        family: ConvFamily,
        network: Callable[..., Network],
        block: Callable[[ConvFamily], Block],
        initialisation: Initialisation,
    ) -> None:
        super().__init__(start.geometry, family)
        self.start = start
        self.networks = nn.ModuleList([network(family, block, 1, 1)])
        self.draw(initialisation)

    def parts(self) -> dict[str, nn.ModuleList]:
        return {"network": self.networks}

    def forward(self, y: Sinogram) -> Image:
        x = self.first(y)
        return x + self.networks[0](x)
