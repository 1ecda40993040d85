"""Contract of the ray transform, for every geometry in conf/geometry."""

import pytest
import torch
from conftest import experiment

from ctrecon.errors import InputError
from ctrecon.measure.metrics import transpose_defect
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform


def small(geometry):
    """The scan on a grid of 32 x 32, long ones with few views."""
    few = {"fan_htc2022": ["geometry.views=36"], "lodopab": ["geometry.views=40"]}.get(geometry, [])
    return experiment(f"geometry={geometry}", "geometry.pixels=32", *few).ray


def test_transpose_is_exact(geometry):
    assert transpose_defect(small(geometry)) < 1e-7


def test_norm_is_the_largest_singular_value():
    A = RayTransform(Parallel(pixels=12, fov_m=0.2, views=9))
    columns = A(torch.eye(144).reshape(144, 1, 12, 12)).flatten(1)
    assert A.norm == pytest.approx(torch.linalg.matrix_norm(columns, 2).item(), rel=1e-5)


def test_double_operator_is_transpose_to_double_precision():
    A = RayTransform(Parallel(pixels=32, fov_m=0.2, views=16)).double()
    x, y = torch.rand(1, 1, 32, 32).double(), torch.rand(1, 1, *A.geometry.shape).double()
    torch.testing.assert_close((A(x) * y).sum(), (x * A.transpose(y)).sum(), rtol=1e-13, atol=0)


def test_line_integrals_are_in_metres():
    """The ray through the middle of a unit square of ones is as long as its side."""
    A = RayTransform(Parallel(pixels=64, fov_m=0.36, views=4))
    y = A(torch.ones(1, 1, 64, 64))
    assert y[0, 0, 0, A.geometry.bins // 2].item() == pytest.approx(0.36, rel=1e-5)


def test_another_grid_is_refused(geometry):
    A = small(geometry)
    with pytest.raises(InputError, match="grid"):
        A(torch.zeros(1, 1, 31, 31))
    with pytest.raises(InputError, match="views"):
        A.transpose(torch.zeros(1, 1, A.geometry.shape[0] + 1, A.geometry.bins))
