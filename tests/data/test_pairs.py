"""Pairs of truth and sinogram: reproducible, on a finer grid, and turned."""

import pytest
import torch
from conftest import experiment

from ctrecon.data.scanner import FINER, resample, rotate


def blob(size=64):
    axis = torch.linspace(-1, 1, size)
    return torch.exp(-20 * ((axis[:, None] + 0.2) ** 2 + 3 * (axis[None, :] - 0.3) ** 2))[None, None]


def test_pairs_depend_on_seed_and_row_alone(noise):
    words = (f"noise={noise}", "data.size=48")
    forward, again = experiment(*words).pairs("train"), experiment(*words).pairs("train")
    first = [forward.pair(k) for k in range(3)]
    later = [again.pair(k) for k in reversed(range(3))]
    for (x, y), (x2, y2) in zip(first, reversed(later), strict=True):
        assert torch.equal(x, x2) and torch.equal(y, y2)
    other = experiment(*words, "data.seed=1").pairs("train").pair(0)
    assert not torch.equal(first[0][1], other[1])


def test_sinograms_are_simulated_on_a_finer_grid():
    """Inverse crime is absent: the sinogram is not A x of the truth on the reconstruction's grid, but close to it."""
    e = experiment("noise=none")
    x, y = e.pairs("train").pair(0)
    assert e.scanner.ray.geometry.pixels == FINER * e.geometry.pixels
    difference = (e.ray(x) - y).norm() / y.norm()
    assert 1e-3 < difference < 0.1


def test_quarter_turn_turns_the_same_noisy_sinogram():
    e = experiment("noise=poisson_10k")
    pairs = e.pairs("test")
    x, y = pairs.pair(0)
    turned_x, turned_y = pairs.pair(0, 90)
    assert torch.equal(turned_x, x.rot90(1, (2, 3))) and torch.equal(turned_y, e.geometry.turn(y))


def test_other_angles_are_simulated_anew():
    """The noise-free sinogram of an object turned by one step of the views is the sinogram shifted by one view."""
    e = experiment("noise=none", "geometry.views=16", "data.size=128")
    scanner = e.scanner
    image = blob(128)
    _, y = scanner.scan(image, 0)
    _, turned = scanner.scan(rotate(image, 180 / 16), 0)
    assert (turned[:, :, 1:] - y[:, :, :-1]).abs().max() < 0.01 * y.max()


def test_odd_views_turn_by_simulation():
    e = experiment("noise=none", "geometry.views=15")
    x, _ = e.pairs("test").pair(0)
    torch.testing.assert_close(e.pairs("test").pair(0, 90)[0], x.rot90(1, (2, 3)))


@pytest.mark.parametrize("size", [16, 31, 64, 100])
def test_resampling_commutes_with_quarter_turns_and_keeps_the_mean(size):
    x = blob(64)
    torch.testing.assert_close(resample(x.rot90(1, (2, 3)), size), resample(x, size).rot90(1, (2, 3)), rtol=1e-4, atol=1e-6)
    assert resample(x, size).mean().item() == pytest.approx(x.mean().item(), rel=2e-2)


def test_rotation_turns_counter_clockwise():
    x = blob(65)
    thrice = rotate(rotate(rotate(x, 30), 30), 30)
    assert (thrice - x.rot90(1, (2, 3))).abs().max() < 0.05
    assert torch.equal(rotate(x, 270), x.rot90(3, (2, 3))) and torch.equal(rotate(x, -90), x.rot90(-1, (2, 3)))
