"""Contract of noise, for every member of conf/noise, and the moments of each."""

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


def test_poisson_counts_have_the_right_mean_and_variance():
    y = torch.full((1, 1, 500, 400), 0.02)
    expected = 1e4 * torch.exp(torch.tensor(-MU_MAX * 0.02))
    counts = 1e4 * torch.exp(-MU_MAX * Poisson(1e4)(y, generator(0)).double())
    assert counts.mean().item() == pytest.approx(expected.item(), rel=1e-3)
    assert counts.var().item() == pytest.approx(expected.item(), rel=2e-2)


def test_poisson_without_photons_stays_finite():
    y = Poisson(1e4)(torch.full((1, 1, 4, 4), 10.0), generator(0))
    torch.testing.assert_close(y, torch.full_like(y, 8 * 2.302585 / MU_MAX))


def test_gaussian_level():
    y = torch.full((1, 1, 500, 400), 0.02)
    assert (Gaussian(0.1)(y, generator(0)) - y).std().item() == pytest.approx(0.002, rel=2e-2)


def test_impossible_values_are_refused():
    with pytest.raises(InputError):
        Poisson(0.0)
    with pytest.raises(InputError):
        Gaussian(-1.0)


def test_hounsfield_units():
    hu = torch.tensor([-2000.0, -1000.0, 0.0, 3071.0])
    x = from_hu(hu)
    torch.testing.assert_close(x, torch.tensor([0.0, 0.0, 20 / MU_MAX, 4.071 * 20 / MU_MAX]))
    torch.testing.assert_close(to_hu(x)[1:], hu[1:], rtol=1e-6, atol=1e-3)
    assert x[3].item() == pytest.approx(1.0, abs=1e-3)
