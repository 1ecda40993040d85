"""Data terms: how far an image is from the measurement, and which way is downhill.

Both are divided by the squared operator norm, so that the gradient has the scale of the image and a step of 1 is stable.
"""

import abc
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.errors import InputError
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.chebyshev import inverse
from ctrecon.physics.linear import Linear, Product
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Image, Sinogram


class DataTerm(nn.Module, abc.ABC):
    """A differentiable misfit of an image x and a sinogram y.

    Args:
        ray: The ray transform A.
        normalised: Divide by ||A||^2.

    Attributes:
        nonexpansive: Whether a gradient step of length 1 brings no two images further apart.
        homogeneous: Whether c times image and sinogram give c times the gradient, c > 0.
        noise_gain: If so, how far a change dy of the sinogram moves such a step, at most, over |dy| / ||A||.
    """

    nonexpansive: bool = False
    homogeneous: ClassVar[bool] = True
    noise_gain: float = 1.0

    def __init__(self, ray: RayTransform, normalised: bool = True) -> None:
        super().__init__()
        self.ray = ray
        self.normalised = normalised

    @property
    def factor(self) -> float:
        """What the misfit is multiplied by."""
        return self.ray.norm**-2 if self.normalised else 1.0

    @abc.abstractmethod
    def value(self, x: Image, y: Sinogram) -> Float[Tensor, " B"]:
        """The misfit, one number an image."""

    @abc.abstractmethod
    def gradient(self, x: Image, y: Sinogram) -> Image:
        """Its gradient with respect to x, differentiable in x and y."""


class LeastSquares(DataTerm):
    """||A x - y||^2 / (2 ||A||^2)."""

    @property
    def nonexpansive(self) -> bool:
        return self.normalised

    def value(self, x: Image, y: Sinogram) -> Float[Tensor, " B"]:
        return 0.5 * self.factor * (self.ray(x) - y).square().sum((1, 2, 3))

    def gradient(self, x: Image, y: Sinogram) -> Image:
        return self.factor * self.ray.transpose(self.ray(x) - y)


class ProximalLeastSquares(DataTerm):
    """Least squares whose misfits are weighted so that all count alike: t <r, p r> / 2, r = (A x - y) / ||A||, p = (I + t A A^T / ||A||^2)^-1.

    It is the Moreau envelope of t times least squares: a gradient step of length 1 leads to the minimum over z of t |A z - y|^2 / ||A||^2 + |z - x|^2.
    That is drawn towards the measurement in all directions in which |A x| > ||A|| |x| / sqrt(t), where a gradient step of least squares hardly
    moves fine details: these have a small |A x|. The inverse p is that of Chebyshev's iteration: with few iterations another quadratic misfit, whose
    gradient step is non-expansive too, since p has residuals I - p (I + t A A^T / ||A||^2) of norm below 1.

    Args:
        ray: The ray transform A.
        strength: t.
        iterations: Of Chebyshev's.

    Source: Bauschke and Combettes, Convex Analysis and Monotone Operator Theory (2017), sections 12.4 and 24.3; in networks: Aggarwal, Mani and
    Jacob, IEEE Trans. Med. Imaging 38 (2019) 394.
    """

    nonexpansive = True

    def __init__(self, ray: RayTransform, strength: int | float = 100.0, iterations: int = 8) -> None:
        super().__init__(ray)
        if not strength > 0 or iterations < 1:
            raise InputError(
                f"data_term.strength={strength}, data_term.iterations={iterations}: expected a positive number and at least 1"
            )
        self.strength, self.iterations = strength, iterations

    @property
    def noise_gain(self) -> float:
        t, s = self.strength, torch.linspace(0, 1, 1001, dtype=torch.float64)  # the singular values of A / ||A|| lie among these
        return (t * s * inverse(lambda z: t * s * s * z, torch.ones_like(s), t, self.iterations)).max().item()

    def value(self, x: Image, y: Sinogram) -> Float[Tensor, " B"]:
        misfit = self.ray(x) - y
        square = lambda z: self.strength * self.factor * self.ray(self.ray.transpose(z))  # noqa: E731
        return 0.5 * self.strength * self.factor * (misfit * self._inverse(square, misfit)).sum((1, 2, 3))

    def gradient(self, x: Image, y: Sinogram) -> Image:
        square = lambda z: self.strength * self.factor * self.ray.transpose(self.ray(z))  # noqa: E731
        return self.strength * self.factor * self._inverse(square, self.ray.transpose(self.ray(x) - y))

    def _inverse(self, square: Product, z: Tensor) -> Tensor:
        solve = partial(inverse, square, bound=self.strength, iterations=self.iterations)
        return Linear.apply(z, solve, solve)  # symmetric, like every polynomial of a symmetric map


class PoissonLikelihood(DataTerm):
    """Negative log-likelihood of the counts c = photons exp(-mu_max y), without its constant.

    sum_i (exp(-mu_max (A x)_i) + exp(-mu_max y_i) mu_max (A x)_i) / (mu_max ||A||)^2, which is the likelihood over the number of
    photons and scaled so that its Hessian at A x = y is that of LeastSquares weighted by the transmission exp(-mu_max y) <= 1.
    """

    homogeneous = False

    def value(self, x: Image, y: Sinogram) -> Float[Tensor, " B"]:
        line = MU_MAX * self.ray(x)
        return self.factor / MU_MAX**2 * (torch.exp(-line) + torch.exp(-MU_MAX * y) * line).sum((1, 2, 3))

    def gradient(self, x: Image, y: Sinogram) -> Image:
        return self.factor / MU_MAX * self.ray.transpose(torch.exp(-MU_MAX * y) - torch.exp(-MU_MAX * self.ray(x)))
