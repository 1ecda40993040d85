"""Defects of symmetry and transpose are the numbers that their definitions give, computed here by hand."""

import pytest
import torch
from conftest import experiment

from ctrecon.measure.metrics import equivariance_error, transpose_defect


def quarter(x):
    """A quarter turn of images."""
    return x.rot90(1, (-2, -1))


def test_error_of_a_spot_that_does_not_turn():
    """f(y) = y and 0.25 more in a corner: the corner is left behind, by 0.25 of the largest value, which is -4."""
    y = torch.arange(16.0).reshape(1, 1, 4, 4) / 16
    y[..., 1, 2] = -4
    spot = torch.zeros(1, 1, 4, 4)
    spot[..., 0, 0] = 0.25
    assert equivariance_error(lambda y: y + spot, y, quarter) == pytest.approx(0.25 / 4)
    assert equivariance_error(lambda y: 3 * y, y, quarter) == 0
    assert equivariance_error(lambda y: y, y, lambda y: y.rot90(-1, (-2, -1))) > 0.5  # the other way round is another turn


def test_defect_of_a_transpose_that_is_a_tenth_too_long(monkeypatch):
    """Then <A x, y> - <x, A^T y> is a tenth of <x, A^T y>."""
    A = experiment("geometry=tiny").ray
    exact = transpose_defect(A)
    assert exact < 1e-6
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(1, 1, A.geometry.pixels, A.geometry.pixels, generator=generator)
    y = torch.randn(1, 1, *A.geometry.shape, generator=generator)
    Ax, ATy = A(x).double(), A.transpose(y).double()
    expected = 0.1 * (x * ATy).sum().abs() / (Ax.norm() * y.norm())
    transpose = A.transpose
    monkeypatch.setattr(A, "transpose", lambda y: 1.1 * transpose(y))
    before = torch.get_rng_state()
    assert transpose_defect(A, seed=5) == pytest.approx(expected.item(), rel=1e-4)
    assert transpose_defect(A) != transpose_defect(A, seed=5)
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's random numbers are used
