"""Iterative least squares: CGLS, SIRT and Tikhonov.

Number of iterations or weight is what regularises them, and what `ctrecon train` chooses on validation images.
"""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from ctrecon.errors import InputError
from ctrecon.models.conjugate_gradients import conjugate_gradients, per_image
from ctrecon.models.tuned import Tuned
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Image, Sinogram


class CGLS(Tuned):
    """Conjugate gradients on min |A x - y|^2 from zero, stopped after some iterations.

    Args:
        ray: The ray transform.
        iterations: Their number.
    """

    name: ClassVar[str] = "iterations"
    whole: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (1, 100)

    def __init__(self, ray: RayTransform, iterations: int = 8) -> None:
        super().__init__(ray, iterations)

    @torch.no_grad()
    def forward(self, y: Sinogram) -> Image:
        self.geometry.check(y)
        # Divided by the norm, squares stay far from float32's limits.
        norm = self.ray.norm
        return conjugate_gradients(
            lambda x: self.ray.transpose(self.ray(x) / norm) / norm,
            self.ray.transpose(y / norm) / norm,
            int(self.number),
            per_image,
        )


class SIRT(Tuned):
    """x <- x + C A^T R (y - A x) from zero, with R and C one over the row and column sums of A, stopped after some iterations.

    Args:
        ray: The ray transform.
        iterations: Their number.

    Source: Gilbert, J. Theor. Biol. 36 (1972) 105; van der Sluis, van der Vorst, Linear Algebra Appl. 130 (1990) 257.
    """

    name: ClassVar[str] = "iterations"
    whole: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (1, 1000)

    def __init__(self, ray: RayTransform, iterations: int = 50) -> None:
        super().__init__(ray, iterations)

    @torch.no_grad()
    def forward(self, y: Sinogram) -> Image:
        self.geometry.check(y)
        x = y.new_zeros(len(y), 1, self.geometry.pixels, self.geometry.pixels)
        rows, columns = (_inverse(sums) for sums in (self.ray(torch.ones_like(x[:1])), self.ray.transpose(torch.ones_like(y[:1]))))
        for _ in range(int(self.number)):
            x = x + columns * self.ray.transpose(rows * (y - self.ray(x)))
        return x


def _inverse(sums: Tensor) -> Tensor:
    """One over the sums; zero for rays that miss the image and pixels that no ray sees."""
    return torch.where(sums > 1e-6 * sums.max(), 1 / sums, 0)


class Tikhonov(Tuned):
    """min |A x - y|^2 / ||A||^2 + weight |grad x|^2, forward differences between pixels, by conjugate gradients.

    Args:
        ray: The ray transform.
        weight: Of the squared gradient.
        iterations: Of conjugate gradients.

    Source: Tikhonov, Soviet Math. Dokl. 4 (1963) 1035.
    """

    name: ClassVar[str] = "weight"
    homogeneous: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (1e-5, 10.0)

    def __init__(self, ray: RayTransform, weight: int | float = 0.005, iterations: int = 50) -> None:
        super().__init__(ray, weight)
        if iterations < 1:
            raise InputError(f"model.iterations={iterations}: expected at least 1")
        self.iterations = iterations

    @torch.no_grad()
    def forward(self, y: Sinogram) -> Image:
        self.geometry.check(y)
        norm, weight = self.ray.norm, self.number.to(y)

        def normal(x: Tensor) -> Tensor:
            rough = sum(_backward(_forward(x, dim), dim) for dim in (-1, -2))
            return self.ray.transpose(self.ray(x) / norm) / norm + weight * rough

        return conjugate_gradients(normal, self.ray.transpose(y / norm) / norm, self.iterations, per_image)


def _forward(x: Tensor, dim: int) -> Tensor:
    """Differences to the next pixel, zero at the last."""
    return pad(x.transpose(dim, -1).diff(), (0, 1)).transpose(dim, -1)


def _backward(p: Tensor, dim: int) -> Tensor:
    """The transpose of `_forward`."""
    return -pad(p.transpose(dim, -1)[..., :-1], (1, 1)).diff().transpose(dim, -1)
