"""Contract of noise, for every member of conf/noise, and the moments of each."""

import math

import pytest
import torch
from conftest import experiment

from ctrecon.errors import InputError
from ctrecon.physics.attenuation import MU_MAX, from_hu, to_hu
from ctrecon.physics.noise import Gaussian, Poisson


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_same_seed_same_noise(noise):
    y = torch.rand(2, 1, 5, 7) * 0.05
    before, n = y.clone(), experiment(f"noise={noise}").noise
    one, same, other = n(y, generator(3)), n(y, generator(3)), n(y, generator(4))
    assert one.shape == y.shape and one.dtype == y.dtype and one.isfinite().all()
    assert torch.equal(one, same) and torch.equal(y, before)
    assert (noise == "none") == torch.equal(one, other)


@pytest.mark.parametrize("photons", [50.0, 1e4, 1e9, 1e12])
@pytest.mark.parametrize("y", [0.0, 0.02, 0.07])
def test_poisson_counts_have_the_right_mean_and_variance(photons, y):
    expected = photons * math.exp(-MU_MAX * y)
    measured = Poisson(photons)(torch.full((1, 1, 500, 400), y, dtype=torch.float64), generator(0))
    counts = photons * torch.exp(-MU_MAX * measured)
    counts = torch.where(counts < 1e-6 * photons, 0, counts)  # what stands for a ray without counts
    assert counts.mean().item() == pytest.approx(expected, abs=5 * (expected / counts.numel()) ** 0.5)
    assert counts.var().item() == pytest.approx(expected, rel=0.02)


def test_poisson_noise_of_a_ray_depends_on_that_ray():
    y = torch.linspace(0, 0.08, 5, dtype=torch.float64)[:, None].expand(1, 1, 5, 40000)
    error = Poisson(1e6)(y.contiguous(), generator(0)) - y
    deviation = (1e6 * torch.exp(-MU_MAX * y[0, 0, :, 0])).rsqrt() / MU_MAX  # to first order in 1 / counts
    torch.testing.assert_close(error.std(-1)[0, 0], deviation, rtol=0.05, atol=0)


def test_ray_without_counts_stands_for_a_hundred_millionth_of_the_photons():
    y = Poisson(1e4)(torch.full((1, 1, 4, 4), 10.0), generator(0))
    torch.testing.assert_close(y, torch.full_like(y, 8 * math.log(10) / MU_MAX))
    few = Poisson(2.0)(torch.full((1, 1, 50, 50), 0.01, dtype=torch.float64), generator(0))
    counts = 2 * torch.exp(-MU_MAX * few)
    whole = counts.round()
    assert torch.allclose(counts, whole, atol=1e-7) and {0, 1, 2, 3} <= set(whole.unique().tolist())


def test_gaussian_level_is_that_of_each_sinogram():
    """Standard deviation over the mean of what is measured, be it constant or not, alone or in a batch."""
    y = torch.stack([torch.linspace(-0.01, 0.08, 200000), torch.full((200000,), 0.5)]).reshape(2, 1, 500, 400)
    error = Gaussian(0.1)(y, generator(0)) - y
    for one, truth in zip(error, y, strict=True):
        assert one.std().item() == pytest.approx(0.1 * truth.abs().mean().item(), rel=0.01)
        assert one.mean().abs().item() < 0.01 * one.std().item()
        left, right = one[..., :200].std().item(), one[..., 200:].std().item()
        assert left == pytest.approx(right, rel=0.02)
    alone = Gaussian(0.1)(y[:1], generator(0))
    torch.testing.assert_close(alone - y[:1], error[:1])


@pytest.mark.parametrize("photons", [0.0, -1.0, 1.1e12, 1e15, 1e300, float("inf"), float("nan")])
def test_numbers_of_photons_without_a_right_answer_are_refused(photons):
    with pytest.raises(InputError, match=r"noise\.photons=.*expected"):
        Poisson(photons)


@pytest.mark.parametrize("level", [-1.0, -1e-9, float("inf"), float("nan")])
def test_levels_without_a_right_answer_are_refused(level):
    with pytest.raises(InputError, match=r"noise\.level=.*expected"):
        Gaussian(level)
    assert not (Gaussian(0.0)(torch.ones(1, 1, 2, 2), generator(0)) - 1).any()


def test_more_counts_than_can_be_drawn_are_refused():
    """As from an image with large negative values."""
    with pytest.raises(InputError, match=r"-0\.5 m or worse"):
        Poisson(1e4)(torch.tensor([[[[0.1, -0.5]]]]), generator(0))
    assert Poisson(1e4)(torch.tensor([[[[0.1, -0.05]]]]), generator(0)).isfinite().all()


def test_hounsfield_units():
    hu = torch.tensor([-2000.0, -1000.0, 0.0, 3071.0])
    x = from_hu(hu)
    torch.testing.assert_close(x, torch.tensor([0.0, 0.0, 20 / MU_MAX, 4.071 * 20 / MU_MAX]))
    torch.testing.assert_close(to_hu(x)[1:], hu[1:], rtol=1e-6, atol=1e-3)
    assert x[3].item() == pytest.approx(1.0, abs=1e-3)
