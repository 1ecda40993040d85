"""Learned gradient descent."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from ctrecon.conv.family import ConvFamily
from ctrecon.errors import InputError
from ctrecon.models.initialisation import Initialisation
from ctrecon.models.learned import Learned, full_precision
from ctrecon.models.model import Model
from ctrecon.models.network import Network
from ctrecon.ode.block import Block
from ctrecon.physics.data_term import DataTerm
from ctrecon.shapes import Channels, Features, Image, Sinogram


class LearnedGradient(Learned):
    """x_0 = start(y), s_0 = 0; (dx, ds) = network([x, gradient(x, y), roughness(x), s]); x <- x + dx, s <- activation(ds).

    The roughness is the gradient of half the squared differences between neighbouring pixels.

    Args:
        term: Data term, with the ray transform.
        start: Model that gives the first image.
        family: What a feature is.
        network: Makes a network of a family, a maker of blocks, and numbers of channels that go in and come out.
        block: Makes a block of a family.
        initialisation: How networks are drawn.
        iterations: Number of iterations.
        memory: Channels of s.
        shared: One network for all iterations, as published; False: each its own.

    Raises:
        InputError: A count is out of range.

    Source: Adler and Oektem, Inverse Problems 33 (2017) 124007, algorithm 1.
    """

    def __init__(
        self,
        term: DataTerm,
        start: Model,
        family: ConvFamily,
        network: Callable[..., Network],
        block: Callable[[ConvFamily], Block],
        initialisation: Initialisation,
        iterations: int = 10,
        memory: int = 5,
        shared: bool = True,
    ) -> None:
        super().__init__(term.ray.geometry, family)
        if iterations < 1 or memory < 0:
            raise InputError(f"model.iterations={iterations}, model.memory={memory}: expected at least 1 and 0")
        self.term, self.start, self.memory, self.iterations = term, start, memory, iterations
        networks = (network(family, block, 3 + memory, 1 + memory) for _ in range(1 if shared else iterations))
        self.networks, self.activation = nn.ModuleList(networks), family.on_scalars(memory)
        self.draw(initialisation)

    @property
    def ray(self) -> nn.Module:
        """The ray transform of the data term."""
        return self.term.ray

    def parts(self) -> dict[str, nn.ModuleList]:
        return {"network": self.networks}

    def forward(self, y: Sinogram) -> Image:
        x = self.first(y)
        s = x.new_zeros(len(x), self.memory, *x.shape[2:])
        for k in range(self.iterations):
            x, s = self._after(x, s, self.networks[k % len(self.networks)](self._seen(x, s, y)))
        return x

    def _seen(self, x: Image, s: Features, y: Sinogram) -> Channels:
        with full_precision(y):
            return torch.cat([x, self.term.gradient(x, y), roughness(x), s], dim=1)

    def _after(self, x: Image, s: Features, change: Channels) -> tuple[Image, Features]:
        dx, ds = change.tensor_split([1], dim=1)
        return x + dx, self.activation(ds)


def roughness(x: Image) -> Image:
    """The gradient of half the sum of squared differences of neighbours: the negative Laplacian, no flow over the edge."""
    beyond = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    inner = slice(1, -1)
    around = beyond[..., :-2, inner] + beyond[..., 2:, inner] + beyond[..., inner, :-2] + beyond[..., inner, 2:]
    return 4 * x - around
