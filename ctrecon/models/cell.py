"""A cell: the learned part of one iteration."""

from collections.abc import Sequence

from torch import nn

from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily
from ctrecon.ode.block import Block
from ctrecon.shapes import Channels, Features


class Cell(nn.Module):
    """Scalar channels -> lift, activation -> blocks -> project -> scalar channels; as equivariant as its family.

    Args:
        family: What a feature is.
        inputs: Scalar channels in.
        outputs: Scalar channels out.
        blocks: Flows on features, in order.
    """

    def __init__(self, family: ConvFamily, inputs: int, outputs: int, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.lift, self.project = family.lift(inputs), family.project(outputs)
        self.activation, self.blocks = family.activation, nn.Sequential(*blocks)

    def forward(self, channels: Features) -> Channels:
        """The correction for stacked scalar channels."""
        return self.project(self.blocks(self.activation(self.lift(channels))))

    def convolutions(self) -> list[Convolution]:
        """All convolutions, the projection last."""
        return [self.lift, *(m for m in self.blocks.modules() if isinstance(m, Convolution)), self.project]
