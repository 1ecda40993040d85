"""A convolution z -> K z + b on plain tensors, whatever its filter is parametrised by."""

import abc

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ctrecon.errors import InputError
from ctrecon.shapes import Channels, Features, Filter

PADDING = {"zeros": "constant", "replicate": "replicate"}


class Convolution(nn.Module, abc.ABC):
    """K z + b at the input's size. `weight` and `bias` are the free parameters, `filter` and `shift` what they stand for.

    Args:
        padding: What lies outside the image, zeros or replicate.

    Raises:
        InputError: Another padding.
    """

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, padding: str) -> None:
        super().__init__()
        if padding not in PADDING:
            raise InputError(f"conv.padding={padding}: expected one of {', '.join(PADDING)}")
        self.padding = padding

    @abc.abstractmethod
    def expand(self, weight: Float[Tensor, " n"]) -> Filter:
        """The filter of a weight: linear, and independent of training or evaluation mode."""

    @abc.abstractmethod
    def shift(self) -> Float[Tensor, " O"]:
        """The bias of each output channel."""

    @abc.abstractmethod
    def reset_as_published(self) -> None:
        """Draw the parameters as the underlying library does by default."""

    def filter(self) -> Filter:
        """The filter in use."""
        return self.expand(self.weight)

    def forward(self, z: Features) -> Channels:
        """K z + b."""
        return self._correlate(z, self.shift())

    def linear(self, z: Features) -> Channels:
        """K z."""
        return self._correlate(z, None)

    def transpose(self, z: Features) -> Channels:
        """K^T z, exactly, with gradients to z and the filter."""
        if self.padding == "zeros":
            kernel = self.filter()
            return functional.conv_transpose2d(z, kernel, padding=kernel.shape[-1] // 2)
        # Replicate padding has another transpose; the vector-Jacobian product of a linear map is its transpose.
        primal = z.new_zeros(len(z), self.filter().shape[1], *z.shape[2:])
        return torch.func.vjp(self.linear, primal)[1](z)[0]

    def _correlate(self, z: Tensor, shift: Tensor | None) -> Tensor:
        kernel = self.filter()
        reach = kernel.shape[-1] // 2
        if self.padding == "zeros":
            return functional.conv2d(z, kernel, shift, padding=reach)
        return functional.conv2d(functional.pad(z, 4 * (reach,), mode=PADDING[self.padding]), kernel, shift)
