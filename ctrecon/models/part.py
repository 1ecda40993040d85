"""Learned parts, of which models are made: networks, and cells, which use them."""

import abc

from torch import Tensor, nn

from ctrecon.conv.convolution import Convolution
from ctrecon.models.model import Stop
from ctrecon.ode.block import Block


class Part(nn.Module, abc.ABC):
    """A learned part of a model, made of convolutions and blocks."""

    @abc.abstractmethod
    def scale_correction(self, gain: int | float) -> None:
        """Scale by `gain` what the part adds to the reconstruction without it; near zero, every family starts as the same model."""

    def stop(self, name: str, inputs: tuple[Tensor, ...]) -> Stop:
        """Itself as a stop of a model, with what goes in there."""
        return Stop(name, self, inputs)

    def convolutions(self) -> list[Convolution]:
        """All convolutions, from the input's side to the output's side."""
        return [m for m in self.modules() if isinstance(m, Convolution)]

    def blocks_inside(self) -> list[Block]:
        """All blocks."""
        return [m for m in self.modules() if isinstance(m, Block)]

    @property
    def repeatable(self) -> bool:
        """Whether running it twice while training is the same as running it once."""
        return all(block.repeatable for block in self.blocks_inside())

    def describe(self, shape: tuple[int, int]) -> dict[str, str]:
        """What it is made of, for `show`: lines by name; blocks as they are on features of `shape` (H, W)."""
        layers, blocks = self.convolutions(), self.blocks_inside()
        counts = ", ".join(f"{sum(p.numel() for p in layer.parameters()):,}" for layer in layers)
        free, taps = (sum(f(layer) for layer in layers) for f in (lambda k: k.weight.numel(), lambda k: k.filter().numel()))
        return {
            "parameters": f"{counts} a convolution",
            "filters": f"{free:,} degrees of freedom of {taps:,} ordinary ones ({100 * free / taps:.3g} %)",
            "block": f"{len(blocks)} {blocks[0].eval().describe(shape)}" if blocks else "none",
        }
