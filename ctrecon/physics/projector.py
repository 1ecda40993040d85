"""How A and its transpose are computed.

A projector works on plain batches without gradients, (B, N, N) to (B, A, D) and back; `RayTransform` makes it differentiable.
"""

import abc

import torch
from torch import Tensor, nn

from ctrecon.physics.geometry import Geometry


class Projector(nn.Module, abc.ABC):
    """A and A^T of one geometry. What takes memory or time to make is made at the first use.

    Args:
        geometry: The scan.

    Attributes:
        symmetric_to: How far, relative to the largest value, the turns and mirrors of the geometry may be missed.
        transposed_to: How far <A x, y> and <x, A^T y> may differ, relative to |A x| |y|; None: this is no transpose.
    """

    symmetric_to: float
    transposed_to: float | None

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.register_buffer("place", torch.empty(0), persistent=False)  # the device and type that `.to` asks for

    @abc.abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """A x: (B, N, N) to (B, A, D), of the device and type of `place`."""

    @abc.abstractmethod
    def transpose(self, y: Tensor) -> Tensor:
        """A^T y: (B, A, D) to (B, N, N), of the device and type of `place`."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What it is and what it takes, in a line, without making it."""
