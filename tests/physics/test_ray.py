"""Contract of the ray transform, for every geometry in conf/geometry."""

import analytic
import numpy as np
import pytest
import torch
from conftest import experiment
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from ctrecon.errors import InputError
from ctrecon.measure.metrics import transpose_defect
from ctrecon.physics.data_term import LeastSquares
from ctrecon.physics.fan import Fan
from ctrecon.physics.matrix_free import MatrixFree
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.stored_matrix import StoredMatrix


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


@pytest.mark.parametrize("kind", [StoredMatrix, MatrixFree])
def test_line_integrals_are_those_of_the_object(geometry, kind):
    """Of elliptic blobs off the centre, in metres, along the rays that the documentation states."""
    scan = small(geometry).geometry
    agrees_with_the_object(scan, np.rad2deg(scan.angles_rad), kind)


def test_line_integrals_of_shifted_detectors_and_images_are_those_of_the_object():
    shifts = {"offset_m": 0.03, "centre_m": (0.02, -0.05)}
    degrees = [170, 3, 11.5, 90, 42, 250]
    parallel = Parallel(pixels=32, fov_m=0.2, angles_deg=degrees, bins=70, bin_m=0.006, start_deg=7.0, **shifts)
    fan = Fan(pixels=32, fov_m=0.2, angles_deg=degrees, bins=90, bin_m=0.009, source_m=0.3, detector_m=0.5, **shifts)
    agrees_with_the_object(parallel, [degree + 7 for degree in degrees])
    agrees_with_the_object(fan, degrees)


def agrees_with_the_object(scan, degrees, kind=StoredMatrix):
    blobs = analytic.pair(scan.fov_m, scan.centre_m)
    y, expected = RayTransform(scan, kind)(analytic.image(blobs, scan, 3)), analytic.sinogram(blobs, scan, degrees)
    assert (y - expected).abs().mean() < 4e-3 * expected.max()
    assert y.sum().item() == pytest.approx(expected.sum().item(), rel=3e-3)


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


def tiny():
    """A ray transform, it as an explicit matrix, an image and a sinogram, in float64."""
    A = RayTransform(Parallel(pixels=4, fov_m=0.2, views=3)).double()
    explicit = A(torch.eye(16, dtype=torch.float64).reshape(16, 1, 4, 4)).flatten(1).T
    return A, explicit, torch.rand(2, 1, 4, 4).double(), torch.rand(2, 1, *A.geometry.shape).double()


def flat(batch):
    return batch.flatten(1)


def test_vjp_and_jvp_are_those_of_the_explicit_operator():
    A, M, x, y = tiny()
    for apply, matrix, v, w in ((A, M, x, y), (A.transpose, M.T, y, x)):
        out, pull_back = vjp(apply, v)
        torch.testing.assert_close(flat(out), flat(v) @ matrix.T)
        torch.testing.assert_close(flat(pull_back(w)[0]), flat(w) @ matrix)
        out, pushed = jvp(apply, (v,), (2 * v,))
        torch.testing.assert_close(flat(out), flat(v) @ matrix.T)
        torch.testing.assert_close(flat(pushed), 2 * flat(v) @ matrix.T)


@pytest.mark.parametrize("dim", [0, 1, 3, -1])
def test_vmap_runs_over_any_dimension(dim):
    A, M, x, y = tiny()
    for apply, matrix, v in ((A, M, x), (A.transpose, M.T, y)):
        many = torch.stack([v, 2 * v, v.flip(0)])
        out = vmap(apply, in_dims=dim)(many.movedim(0, dim))
        torch.testing.assert_close(out.flatten(2), many.flatten(2) @ matrix.T)


def test_transforms_of_torch_func_compose():
    A, M, x, _ = tiny()
    one, term = x[:1], LeastSquares(A)
    for jacobian in (jacfwd, jacrev):  # vmap of jvp and of vjp
        torch.testing.assert_close(jacobian(A)(one).reshape(-1, 16), M)
    misfit = lambda v: A(v).square().sum() / 2  # noqa: E731
    torch.testing.assert_close(hessian(misfit)(one).reshape(16, 16), M.T @ M)
    many = torch.stack([x, -x, 3 * x])
    torch.testing.assert_close(vmap(grad(misfit))(many).flatten(2), many.flatten(2) @ M.T @ M)
    step = jacrev(lambda v: term.gradient(v, A(x[:1])))(one).reshape(16, 16)
    torch.testing.assert_close(step, term.factor * M.T @ M)
    assert term.factor * torch.linalg.matrix_norm(M.T @ M, 2) == pytest.approx(1, rel=1e-5)


def test_gradients_pass_torchs_own_check():
    A, _, x, y = tiny()
    for apply, v in ((A, x[:1]), (A.transpose, y[:1])):
        v = v.requires_grad_()
        assert torch.autograd.gradcheck(apply, v, check_forward_ad=True) and torch.autograd.gradgradcheck(apply, v)
