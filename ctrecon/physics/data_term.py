"""Data terms: how far an image is from the measurement, and which way is downhill.

Both are divided by the squared operator norm, so that the gradient has the scale of the image and a step of 1 is stable.
"""

import abc

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Image, Sinogram


class DataTerm(nn.Module, abc.ABC):
    """A differentiable misfit of an image x and a sinogram y.

    Args:
        ray: The ray transform A.
        normalised: Divide by ||A||^2.

    Attributes:
        nonexpansive: Whether a gradient step of length 1 brings no two images further apart.
    """

    nonexpansive: bool = False

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


class PoissonLikelihood(DataTerm):
    """Negative log-likelihood of the counts c = photons exp(-mu_max y), without its constant.

    sum_i (exp(-mu_max (A x)_i) + exp(-mu_max y_i) mu_max (A x)_i) / (mu_max ||A||)^2, which is the likelihood over the number of
    photons and scaled so that its Hessian at A x = y is that of LeastSquares weighted by the transmission exp(-mu_max y) <= 1.
    """

    def value(self, x: Image, y: Sinogram) -> Float[Tensor, " B"]:
        line = MU_MAX * self.ray(x)
        return self.factor / MU_MAX**2 * (torch.exp(-line) + torch.exp(-MU_MAX * y) * line).sum((1, 2, 3))

    def gradient(self, x: Image, y: Sinogram) -> Image:
        return self.factor / MU_MAX * self.ray.transpose(torch.exp(-MU_MAX * y) - torch.exp(-MU_MAX * self.ray(x)))
