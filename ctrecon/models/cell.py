"""A cell: the learned part of one iteration."""

import abc
from collections.abc import Callable

import torch
from torch import nn

from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily
from ctrecon.ode.block import Block
from ctrecon.shapes import Channels, Features, Image


class Cell(nn.Module, abc.ABC):
    """(x, gradient, s) -> (x, s), as equivariant as its family.

    Args:
        family: What a feature is.
        block: Makes a flow on features.
        memory: Channels of s.
    """

    @abc.abstractmethod
    def forward(self, x: Image, gradient: Image, s: Features) -> tuple[Image, Features]:
        """The next image and memory."""

    @abc.abstractmethod
    def quieten(self, gain: int | float) -> None:
        """Scale what the cell adds to a plain gradient step by `gain`, near zero: so every family starts as the same model."""

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
        # Channels last: a seventh of a training step faster on a CPU (32 channels, 128 x 128), and what tensor cores want.
        channels = channels.contiguous(memory_format=torch.channels_last)
        return self.project(self.blocks(self.activation(self.lift(channels))))

    @torch.no_grad()
    def quieten(self, gain: int | float) -> None:
        self.project.weight *= gain
