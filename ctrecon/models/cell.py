"""A cell: the learned part of one iteration."""

import abc
from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from ctrecon.conv.family import ConvFamily
from ctrecon.models.model import Stop
from ctrecon.models.network import Network
from ctrecon.models.part import Part
from ctrecon.ode.block import Block
from ctrecon.ode.promise import Promise
from ctrecon.shapes import Features, Image


class Cell(Part):
    """(x, gradient, s) -> (x, s), as equivariant as its family.

    Args:
        family: What a feature is.
        block: Makes a flow on features of a family.
        memory: Channels of s.

    Attributes:
        lipschitz: A Lipschitz constant of x - gradient -> x on images of every size, where there is no memory; None: theory gives none.
    """

    lipschitz: ClassVar[float | None] = None

    @abc.abstractmethod
    def forward(self, x: Image, gradient: Image, s: Features) -> tuple[Image, Features]:
        """The next image and memory."""

    def promises(self) -> Iterator[Promise]:
        """What it promises of itself, beside its blocks; each becomes a line of the certificate."""
        yield from ()

    def stop(self, name: str, inputs: tuple[Tensor, ...]) -> Stop:
        on_images = partial(_on_images, self) if self.lipschitz is not None else None
        return Stop(name, self, inputs, tuple(self.promises()), on_images, self.lipschitz)


def _on_images(cell: Cell, x: Image) -> Image:
    return cell(x, torch.zeros_like(x), x[:, :0])[0]


class Free(Cell):
    """(x, s) <- skip (x - gradient, s) + network([x, gradient, s])

    Args:
        family, block, memory: As for every cell.
        network: Makes a network of a family, a maker of blocks, and numbers of channels that go in and come out.
        skip: 1: the network corrects a plain gradient step. 0: it is the whole step, as in the paper.

    Source: Celledoni et al., Inverse Problems 37 (2021) 085006, section 4.
    """

    def __init__(
        self,
        family: ConvFamily,
        block: Callable[[ConvFamily], Block],
        memory: int,
        network: Callable[..., Network],
        skip: int | float = 1.0,
    ) -> None:
        super().__init__()
        self.network, self.skip = network(family, block, 2 + memory, 1 + memory), skip

    def forward(self, x: Image, gradient: Image, s: Features) -> tuple[Image, Features]:
        step = self.skip * torch.cat([x - gradient, s], dim=1)
        x, s = (step + self.network(torch.cat([x, gradient, s], dim=1))).tensor_split([1], dim=1)
        return x, s

    def scale_correction(self, gain: int | float) -> None:
        self.network.scale_correction(gain)
