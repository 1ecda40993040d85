"""Measurement noise, a function of the sinogram and a generator: the same seed gives the same noise."""

import abc
import math
from collections.abc import Sequence

import torch

from ctrecon.errors import InputError
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.shapes import Sinogram

FEWEST = 1e-8  # of the photons, at least, that the logarithm is taken of: a ray without counts has none
MOST = 1e12  # counts: beyond, torch draws them with a wrong variance, and their noise is hardly above the resolution of float32
LARGEST_LEVEL = 1e6


class Noise(abc.ABC):
    """Maps a noise-free sinogram in metres to a measured one."""

    @abc.abstractmethod
    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        """The noisy sinogram; `y` is left alone. The generator lives on the CPU."""

    def deviance(self, expected: Sinogram, y: Sinogram) -> Sinogram:
        """log p(y | y) - log p(y | expected) of every ray: how much less likely the measured y is where `expected` is the noise-free sinogram.

        In the mean about 1/2 at the true one, and smaller at no other. Raises InputError where the noise has no one law.
        """
        raise InputError(
            f"noise={type(self).__name__}: has no likelihood of one sinogram; expected poisson_10k, with the photons of the scan, or gaussian"
        )

    def spread(self, y: Sinogram) -> Sinogram:
        """The standard deviation of the noise of every ray, told from the measured y, in metres. Raises InputError where there is none."""
        raise InputError(
            f"noise={type(self).__name__}: has no known strength; expected poisson_10k, with the photons of the scan, or gaussian"
        )


class NoNoise(Noise):
    """The sinogram as it is, or with noise of which nothing is known."""

    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        return y

    def deviance(self, expected: Sinogram, y: Sinogram) -> Sinogram:
        """As if every ray had the same noise, of one per cent of the mean."""
        return Gaussian(0.01).deviance(expected, y)


class Gaussian(Noise):
    """y + level * mean|y| * n with n standard normal, the mean over the rays of each sinogram.

    Args:
        level: Standard deviation over the mean of the noise-free sinogram.

    Raises:
        InputError: The level is negative or above a million.
    """

    def __init__(self, level: float) -> None:
        if not 0 <= level <= LARGEST_LEVEL:
            raise InputError(f"noise.level={level}: expected a number from 0 to {LARGEST_LEVEL:g}")
        self.level = level

    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        n = torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y)
        return y + self.level * y.abs().mean((1, 2, 3), keepdim=True) * n

    def deviance(self, expected: Sinogram, y: Sinogram) -> Sinogram:
        """(expected - y)^2 / (2 variance)."""
        return 0.5 * ((expected - y) / self.spread(y)).square()

    def spread(self, y: Sinogram) -> Sinogram:
        if not self.level:
            return super().spread(y)
        return self.level * y.mean((1, 2, 3), keepdim=True).abs().expand_as(y)  # noise has no part in the mean


class Poisson(Noise):
    """-log(max(counts / photons, 1e-8)) / mu_max with counts ~ Poisson(photons exp(-mu_max y)).

    Args:
        photons: Expected count of an unattenuated ray.

    Raises:
        InputError: The number is not positive, or so large that there is no noise.

    Source: the CT experiment of Celledoni et al., Inverse Problems 37 (2021) 085006.
    """

    def __init__(self, photons: float) -> None:
        if not 0 < photons <= MOST:
            raise InputError(f"noise.photons={photons}: expected a number above 0, up to {MOST:g}; beyond, say noise=none")
        self.photons = photons

    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        """Raises InputError where line integrals are so negative that there would be more counts than can be drawn."""
        expected = self.photons * torch.exp(-MU_MAX * y.cpu().double())
        if not expected.max() <= MOST:
            raise InputError(
                f"line integrals of {y.min():.3g} m or worse would count {expected.max():.3g} photons; expected at most {MOST:g}: "
                "an image of attenuation has no negative values"
            )
        counts = torch.poisson(expected, generator=generator)
        return (-torch.log((counts / self.photons).clamp(min=FEWEST)) / MU_MAX).to(y)

    def deviance(self, expected: Sinogram, y: Sinogram) -> Sinogram:
        """h - n + n log(n / h) with n the counts and h = photons exp(-mu_max expected)."""
        n, more = self.photons * torch.exp(-MU_MAX * y), MU_MAX * (expected - y)
        return n * (torch.expm1(-more) + more)

    def spread(self, y: Sinogram) -> Sinogram:
        """1 / (mu_max sqrt(n)), with at least one of the counts n."""
        return (self.photons * torch.exp(-MU_MAX * y)).clamp(min=1).rsqrt() / MU_MAX


class Doses(Noise):
    """Poisson noise of a dose and a size of the object that are drawn anew each time; lengths stay those of the sinogram.

    Args:
        photons: The fewest and the most, between which the number is drawn evenly on a logarithmic scale.
        size: The smallest and the largest factor of all lengths, drawn in the same way.

    Raises:
        InputError: Two numbers that are no such range.
    """

    def __init__(self, photons: Sequence[int | float], size: Sequence[int | float] = (1.0, 1.0)) -> None:
        for name, range_ in (("photons", photons), ("size", size)):
            if len(range_) != 2 or not 0 < range_[0] <= range_[1] <= MOST:
                raise InputError(f"noise.{name}={list(range_)}: expected two positive numbers, the smaller one first")
        self.logarithms = [[math.log(value) for value in range_] for range_ in (photons, size)]

    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        parts = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        photons, size = (math.exp(low + part * (high - low)) for part, (low, high) in zip(parts, self.logarithms, strict=True))
        return Poisson(photons)(size * y, generator) / size
