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
MOST_LOG = 60.0  # of expected over measured counts, beyond which float32 cannot say how much worse it is


class Noise(abc.ABC):
    """Maps a noise-free sinogram in metres to a measured one."""

    @abc.abstractmethod
    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        """The noisy sinogram; `y` is left alone. The generator lives on the CPU."""

    def deviance(self, expected: Sinogram, y: Sinogram, error_m: float = 0.0) -> Sinogram:
        """How badly an expected noise-free sinogram explains a measured one, ray by ray: a divergence of the law of the noise.

        Whatever the law, its mean over draws of y is least where `expected` is the noise-free sinogram, and is there about half the `share`.

        Args:
            expected: The noise-free sinogram.
            y: The measured one.
            error_m: Standard deviation of what is wrong with `expected` even of the best image, such as that of its grid: rays with less noise
                than that do not count for more.

        Raises:
            InputError: The noise has no one law.
        """
        raise self._unknown()

    def spread(self, y: Sinogram) -> Sinogram:
        """The standard deviation of the noise of every ray in metres, told from the measured y. Raises InputError where nobody knows it."""
        raise self._unknown()

    def share(self, expected: Sinogram, y: Sinogram, error_m: float = 0.0) -> Sinogram:
        """The part that noise has in the variance by which `deviance` weighs every ray, the rest being that of `error_m`."""
        return 1 / (1 + (error_m / self.spread(y)).square())

    def _unknown(self) -> InputError:
        return InputError(
            f"noise={type(self).__name__}: has no one strength; expected poisson_10k with the photons of the scan, or gaussian"
        )


class NoNoise(Noise):
    """The sinogram as it is, or with noise of which nothing is known."""

    def __call__(self, y: Sinogram, generator: torch.Generator) -> Sinogram:
        return y

    def deviance(self, expected: Sinogram, y: Sinogram, error_m: float = 0.0) -> Sinogram:
        """As if every ray had the same noise, of one per cent of the mean."""
        return Gaussian(0.01).deviance(expected, y, error_m)


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

    def deviance(self, expected: Sinogram, y: Sinogram, error_m: float = 0.0) -> Sinogram:
        """(expected - y)^2 / (2 variance), that of noise and error together."""
        return 0.5 * (expected - y).square() / (self.spread(y).square() + error_m**2)

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

    def deviance(self, expected: Sinogram, y: Sinogram, error_m: float = 0.0) -> Sinogram:
        """That of counts with variance h + h^2 / k, which are negative binomial: n log(n / h) - (n + k) log((n + k) / (h + k)).

        n = photons exp(-mu_max y) is the count, h the expected one, 1 / sqrt(k) = mu_max error_m; without error that of Poisson's law.
        """
        n, more = self.photons * torch.exp(-MU_MAX * y), (MU_MAX * (expected - y)).clamp(min=-MOST_LOG)
        if not error_m:
            return n * (torch.expm1(-more) + more)
        k = (MU_MAX * error_m) ** -2
        return n * more + (n + k) * torch.log1p(n * torch.expm1(-more) / (n + k))

    def share(self, expected: Sinogram, y: Sinogram, error_m: float = 0.0) -> Sinogram:
        return super().share(expected, expected, error_m)  # the variance is a function of the mean

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
