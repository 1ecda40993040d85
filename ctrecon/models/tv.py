"""Total variation."""

from typing import ClassVar

import torch

from ctrecon.errors import InputError
from ctrecon.models.model import Model
from ctrecon.models.tuned import Tuned
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.total_variation import solve_batch
from ctrecon.shapes import Image, Sinogram


class TV(Tuned):
    """Isotropic total variation with x >= 0 (`physics.total_variation`), from the image of another model.

    Args:
        ray: The ray transform.
        start: Model that gives the first image.
        weight: Of the total variation.
        iterations: Of the solver.

    Raises:
        InputError: A number is out of range.
    """

    name: ClassVar[str] = "weight"
    bounds: ClassVar[tuple[float, float]] = (1e-5, 0.1)

    def __init__(self, ray: RayTransform, start: Model, weight: int | float = 5e-4, iterations: int = 300) -> None:
        super().__init__(ray, weight)
        if iterations < 1:
            raise InputError(f"model.iterations={iterations}: expected at least 1")
        self.start, self.iterations = start, iterations

    @torch.no_grad()
    def forward(self, y: Sinogram) -> Image:
        self.geometry.check(y)
        return solve_batch(self.ray, y, self.start(y), self.number.item(), self.iterations)
