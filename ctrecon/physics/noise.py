"""Measurement noise, a function of the sinogram and a generator: the same seed gives the same noise."""

import abc

import torch

from ctrecon.errors import InputError
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.shapes import Sinogram


class Noise(abc.ABC):
    """Maps a noise-free sinogram in metres to a measured one."""

    @abc.abstractmethod
    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        """The noisy sinogram; `y` is left alone. The generator lives on the CPU."""


class NoNoise(Noise):
    """y."""

    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        return y


class Gaussian(Noise):
    """y + level * mean|y| * n with n standard normal.

    Args:
        level: Standard deviation over the mean of the noise-free sinogram.
    """

    def __init__(self, level: float) -> None:
        if not level >= 0:
            raise InputError(f"noise.level={level}: expected a number of at least 0")
        self.level = level

    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        n = torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y)
        return y + self.level * y.abs().mean() * n


class Poisson(Noise):
    """-log(max(counts / photons, 1e-8)) / mu_max with counts ~ Poisson(photons exp(-mu_max y)).

    Args:
        photons: Expected count of an unattenuated ray.

    Source: the CT experiment of Celledoni et al., Inverse Problems 37 (2021) 085006.
    """

    def __init__(self, photons: float) -> None:
        if not photons > 0:
            raise InputError(f"noise.photons={photons}: expected a positive number")
        self.photons = photons

    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        counts = torch.poisson(self.photons * torch.exp(-MU_MAX * y.cpu().double()), generator=generator)
        return (-torch.log((counts / self.photons).clamp(min=1e-8)) / MU_MAX).to(y)
