"""Learned primal-dual."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from ctrecon.conv.domain import Domain, Moebius, Ring, Zeros
from ctrecon.conv.family import ConvFamily
from ctrecon.errors import InputError
from ctrecon.models.initialisation import Initialisation
from ctrecon.models.learned import Learned, full_precision
from ctrecon.models.model import Model, Stop
from ctrecon.models.network import Network
from ctrecon.ode.block import Block
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.succession import Succession, succession
from ctrecon.shapes import Image, Sinogram

STRIPS = {Succession.END: Zeros, Succession.RING: Ring, Succession.MOEBIUS: Moebius}


class PrimalDual(Learned):
    """h_0 = 0, every channel of f_0 is start(y); h <- h + dual([h, K f_2, g]), f <- f + primal([f, K^T h_1]); the image is f_1.

    f are `primal` images, h are `dual` sinograms, f_2 and h_1 are channels of them, K = A / ||A|| and g = y / ||A||. Primal networks work on
    features of the image, dual networks on features of the sinogram. Where the image's features carry rotations, those of the sinogram are made
    by `strip` on views that go round; then every turn that the scan shares passes through the whole reconstruction. Ordinary features are
    ordinary on both sides.

    Args:
        ray: The ray transform A.
        start: Model that gives the first image.
        family: What a feature of the image is.
        strip: Makes the features of the sinogram, of those of the image and the domain of the views.
        network: Makes a network of a family, a maker of blocks, and numbers of channels that go in and come out.
        block: Makes a block of a family.
        initialisation: How networks are drawn.
        iterations: Number of iterations.
        primal: Images that are carried along, at least 2.
        dual: Sinograms that are carried along.
        shared: One pair of networks for all iterations.

    Raises:
        InputError: A count is out of range.

    Source: Adler and Oektem, IEEE Trans. Med. Imaging 37 (2018) 1322, algorithm 3.
    """

    def __init__(
        self,
        ray: RayTransform,
        start: Model,
        family: ConvFamily,
        strip: Callable[[ConvFamily, Domain], ConvFamily],
        network: Callable[..., Network],
        block: Callable[[ConvFamily], Block],
        initialisation: Initialisation,
        iterations: int = 10,
        primal: int = 5,
        dual: int = 5,
        shared: bool = False,
    ) -> None:
        super().__init__(ray.geometry, family)
        if iterations < 1 or primal < 2 or dual < 1:
            raise InputError(
                f"model.iterations={iterations}, model.primal={primal}, model.dual={dual}: expected at least 1, 2 and 1"
            )
        self.ray, self.start, self.iterations, self.primal, self.dual = ray, start, iterations, primal, dual
        views = strip(family, STRIPS[succession(ray.geometry)]()) if family.rotations > 1 else family
        different = 1 if shared else iterations
        self.duals = nn.ModuleList(network(views, block, 2 + dual, dual) for _ in range(different))
        self.primals = nn.ModuleList(network(family, block, 1 + primal, primal) for _ in range(different))
        self.draw(initialisation)

    def parts(self) -> dict[str, nn.ModuleList]:
        return {"dual network": self.duals, "primal network": self.primals}

    def forward(self, y: Sinogram) -> Image:
        f, h = self._begin(y)
        for k in range(self.iterations):
            h = h + self.duals[k % len(self.duals)](self._measured(f, h, y))
            f = f + self.primals[k % len(self.primals)](self._imaged(f, h))
        return f[:, :1]

    def stops(self, y: Sinogram) -> Iterator[Stop]:
        """Every network, where it is used first; those of the sinogram turn with it."""
        on_views = set(self.duals)
        for stop in super().stops(y):
            yield replace(stop, turn=self.geometry.turn) if stop.part in on_views else stop

    def _begin(self, y: Sinogram) -> tuple[Tensor, Tensor]:
        return self.first(y).repeat(1, self.primal, 1, 1), y.new_zeros(len(y), self.dual, *y.shape[2:])

    def _measured(self, f: Tensor, h: Tensor, y: Sinogram) -> Tensor:
        with full_precision(y):
            return torch.cat([h, self.ray(f[:, 1:2]) / self.ray.norm, y / self.ray.norm], dim=1)

    def _imaged(self, f: Tensor, h: Tensor) -> Tensor:
        with full_precision(h):
            return torch.cat([f, self.ray.transpose(h[:, :1]) / self.ray.norm], dim=1)
