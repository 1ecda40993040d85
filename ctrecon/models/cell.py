"""A cell: the learned part of one iteration."""

import abc
from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import nn

from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily
from ctrecon.ode.block import Block
from ctrecon.ode.promise import Promise
from ctrecon.shapes import Channels, Features, Image


class Cell(nn.Module, abc.ABC):
    """(x, gradient, s) -> (x, s), as equivariant as its family.

    Args:
        family: What a feature is.
        block: Makes a flow on features.
        memory: Channels of s.

    Attributes:
        lipschitz: A Lipschitz constant of x - gradient -> x on images of every size, where there is no memory; None: theory gives none.
    """

    lipschitz: ClassVar[float | None] = None

    @abc.abstractmethod
    def forward(self, x: Image, gradient: Image, s: Features) -> tuple[Image, Features]:
        """The next image and memory."""

    @abc.abstractmethod
    def scale_correction(self, gain: int | float) -> None:
        """Scale what the cell adds to a plain gradient step by `gain`; near zero, every family starts as the same model."""

    def promises(self) -> Iterator[Promise]:
        """What it promises of itself, beside its blocks; each becomes a line of the certificate."""
        yield from ()

    def blocks_inside(self) -> list[Block]:
        """All blocks."""
        return [m for m in self.modules() if isinstance(m, Block)]

    @property
    def repeatable(self) -> bool:
        """Whether running it twice while training is the same as running it once."""
        return all(block.repeatable for block in self.blocks_inside())

    def describe(self, shape: tuple[int, int]) -> dict[str, str]:
        """What it is made of, for `show`: lines by name; blocks as they are on images of `shape` (H, W)."""
        layers, blocks = self.convolutions(), self.blocks_inside()
        counts = ", ".join(f"{layer.weight.numel() + layer.bias.numel():,}" for layer in layers)
        free, taps = (sum(f(layer) for layer in layers) for f in (lambda k: k.weight.numel(), lambda k: k.filter().numel()))
        return {
            "cell": f"{type(self).__name__}, {counts} parameters a convolution",
            "filters": f"{free:,} degrees of freedom of {taps:,} ordinary ones a cell ({100 * free / taps:.3g} %)",
            "block": f"{len(blocks)} {blocks[0].eval().describe(shape)}" if blocks else "none",
        }

    def convolutions(self) -> list[Convolution]:
        """All convolutions, from the image's side to the image's side."""
        return [m for m in self.modules() if isinstance(m, Convolution)]


class Free(Cell):
    """(x, s) <- skip (x - gradient, s) + project(blocks(activation(lift([x, gradient, s]))))

    Args:
        family, block, memory: As for every cell.
        blocks: Number of blocks.
        skip: 1: the network corrects a plain gradient step. 0: it is the whole step, as in the paper.

    Source: Celledoni et al., Inverse Problems 37 (2021) 085006, section 4.
    """

    def __init__(
        self, family: ConvFamily, block: Callable[[], Block], memory: int, blocks: int = 1, skip: int | float = 1.0
    ) -> None:
        super().__init__()
        self.lift, self.activation = family.lift(2 + memory), family.activation
        self.blocks = nn.Sequential(*(block() for _ in range(blocks)))
        self.project, self.skip = family.project(1 + memory), skip

    def forward(self, x: Image, gradient: Image, s: Features) -> tuple[Image, Features]:
        step = self.skip * torch.cat([x - gradient, s], dim=1)
        x, s = (step + self.network(torch.cat([x, gradient, s], dim=1))).tensor_split([1], dim=1)
        return x, s

    def network(self, channels: Features) -> Channels:
        """The correction for stacked scalar channels."""
        # Channels last: a seventh of a training step faster on a CPU (32 channels, 128 x 128), and what tensor cores want. By
        # permutations, because vmap knows no memory formats.
        channels = channels.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        return self.project(self.blocks(self.activation(self.lift(channels))))

    @torch.no_grad()
    def scale_correction(self, gain: int | float) -> None:
        self.project.weight *= gain
