"""Models without parameters."""

from typing import ClassVar

import torch

from ctrecon.models.model import Model
from ctrecon.physics.fbp import FilteredBackProjection
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Image, Sinogram


class FBP(Model):
    """Filtered back-projection.

    Args:
        geometry: Parallel beam, or a fan beam whose views make a turn or one arc.
        window: ram-lak (sharp), shepp-logan, cosine, hamming or hann (smooth, the better one for few counts).
        frequency_scaling: Where the window ends, over the Nyquist frequency.
    """

    homogeneous: ClassVar[bool] = True

    def __init__(self, geometry: Geometry, window: str = "hann", frequency_scaling: int | float = 1.0) -> None:
        super().__init__(geometry)
        self.fbp = FilteredBackProjection(geometry, window, frequency_scaling)

    def forward(self, y: Sinogram) -> Image:
        return self.fbp(y)


class Zero(Model):
    """The zero image: where the paper's iteration starts."""

    homogeneous: ClassVar[bool] = True

    def forward(self, y: Sinogram) -> Image:
        return torch.zeros(len(y), 1, self.geometry.pixels, self.geometry.pixels, dtype=y.dtype, device=y.device)
