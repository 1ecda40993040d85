"""Models without parameters."""

import torch

from ctrecon.models.model import Model
from ctrecon.physics.fbp import FilteredBackProjection
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Image, Sinogram


class FBP(Model):
    """Filtered back-projection.

    Args:
        geometry: Parallel beam, or fan beam over a full turn.
        window: ram-lak (sharp), shepp-logan, cosine, hamming or hann (smooth, the better one for few counts).
    """

    def __init__(self, geometry: Geometry, window: str = "hann") -> None:
        super().__init__(geometry)
        self.fbp = FilteredBackProjection(geometry, window)

    def forward(self, y: Sinogram) -> Image:
        return self.fbp(y)


class Zero(Model):
    """The zero image: where the paper's iteration starts."""

    def forward(self, y: Sinogram) -> Image:
        return torch.zeros(len(y), 1, self.geometry.pixels, self.geometry.pixels, dtype=y.dtype, device=y.device)
