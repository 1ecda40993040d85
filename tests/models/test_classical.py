"""Classical models: each solves the problem that it says, and its one number is chosen on validation images."""

import numpy as np
import odl
import pytest
import torch
from conftest import experiment
from odl.applications import tomo
from odl.functionals import GroupL1Norm, IndicatorNonnegativity, L2NormSquared, SeparableSum

from ctrecon.errors import InputError
from ctrecon.measure.metrics import psnr
from ctrecon.models.classical import FBP
from ctrecon.models.least_squares import CGLS, SIRT, Tikhonov
from ctrecon.models.tv import TV
from ctrecon.physics.odl_form import space, to_odl
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.stored_matrix import StoredMatrix
from ctrecon.physics.total_variation import TotalVariationProblem

SCAN = Parallel(pixels=16, fov_m=0.2, views=12)


@pytest.fixture
def small():
    """A ray transform, it as a dense matrix in float64, and a noisy sinogram of an image with edges."""
    A = RayTransform(SCAN, StoredMatrix)
    dense = A(torch.eye(256).reshape(256, 1, 16, 16)).flatten(1).T.double().numpy()
    x = torch.zeros(1, 1, 16, 16)
    x[..., 4:12, 5:9], x[..., 6:8, 9:12] = 1.0, 0.5
    y = A(x)
    return A, dense, y + 0.02 * y.max() * torch.randn_like(y)


def test_cgls_is_in_the_krylov_space_and_the_best_there(small):
    A, dense, y = small
    b = y.flatten().double().numpy()
    basis = [dense.T @ b]
    for _ in range(4):
        basis.append(dense.T @ (dense @ basis[-1]) / np.linalg.norm(dense, 2) ** 2)
    K = np.linalg.qr(np.stack(basis, 1))[0]
    best = K @ np.linalg.lstsq(dense @ K, b, rcond=None)[0]
    ours = CGLS(A, 5)(y).flatten().numpy()
    assert np.abs(ours - best).max() < 1e-3 * np.abs(best).max()


def test_cgls_converges_to_least_squares_and_stays(small):
    A, dense, y = small
    b = y.flatten().double().numpy()
    least = np.linalg.norm(dense @ np.linalg.lstsq(dense, b, rcond=1e-5)[0] - b)
    for iterations in (300, 600):
        x = CGLS(A, iterations)(y).flatten().double().numpy()
        assert np.linalg.norm(dense @ x - b) < 1.2 * least < 0.03 * np.linalg.norm(b)
    assert not CGLS(A, 5)(torch.zeros_like(y)).any()


def test_sirt_is_astras(small):
    """The same iterates as ASTRA's SIRT, whose kernel is ours."""
    import astra

    from ctrecon.physics.astra_form import plane

    A, _, y = small
    kernel, rays, volume = plane(SCAN)
    projector = astra.create_projector(kernel, rays, volume)
    sinogram, image = astra.data2d.create("-sino", rays, y[0, 0].numpy()), astra.data2d.create("-vol", volume)
    config = astra.astra_dict("SIRT") | {"ProjectorId": projector, "ProjectionDataId": sinogram, "ReconstructionDataId": image}
    algorithm = astra.algorithm.create(config)
    astra.algorithm.run(algorithm, 30)
    theirs = astra.data2d.get(image)
    np.testing.assert_allclose(SIRT(A, 30)(y)[0, 0].numpy(), theirs, atol=1e-3 * np.abs(theirs).max())


def test_sirt_never_moves_away_from_the_data(small):
    A, _, y = small
    misfit = [(A(SIRT(A, n)(y)) - y).norm().item() for n in (1, 5, 20, 100)]
    assert misfit == sorted(misfit, reverse=True)


def test_tikhonov_solves_its_normal_equations(small):
    A, dense, y = small
    difference = np.eye(16, k=1)[:-1] - np.eye(16)[:-1]
    D = np.concatenate([np.kron(np.eye(16), difference), np.kron(difference, np.eye(16))])
    data = dense / A.norm
    expected = np.linalg.solve(data.T @ data + 0.02 * D.T @ D, data.T @ y.flatten().double().numpy() / A.norm)
    ours = Tikhonov(A, 0.02, iterations=100)(y).flatten().numpy()
    assert np.abs(ours - expected).max() < 1e-3 * np.abs(expected).max()


def test_tikhonov_turns_with_the_object(small):
    A, _, y = small
    torch.testing.assert_close(Tikhonov(A)(SCAN.turn(y)), Tikhonov(A)(y).rot90(1, (2, 3)), rtol=0, atol=1e-4)


def test_tv_objective_is_as_written_and_not_negative(small):
    A, _, y = small
    problem = TotalVariationProblem(A, A.norm, y[0, 0].numpy(), 0.01)
    x = torch.rand(1, 1, 16, 16)
    down, across = torch.zeros_like(x), torch.zeros_like(x)
    down[:, :, :-1], across[..., :-1] = x.diff(dim=2), x.diff(dim=3)
    expected = 0.5 * ((A(x) - y) / A.norm).square().sum() + 0.01 * torch.hypot(down, across).sum()
    assert problem.objective(x[0, 0].numpy()) == pytest.approx(expected.item(), rel=1e-5)
    assert (problem.solve(np.zeros((16, 16), np.float32), 50) >= 0).all()


def test_tv_minimum_cannot_be_improved(small):
    """Against ODL's own formulation with another start and more iterations, and against random steps."""
    A, _, y = small
    problem = TotalVariationProblem(A, A.norm, y[0, 0].numpy(), 0.01)
    x = problem.solve(np.zeros((16, 16), np.float32), 300)
    long = problem.solve(np.ones((16, 16), np.float32), 1000)
    assert problem.objective(x) == pytest.approx(problem.objective(long), rel=1e-3)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1e-1):
        for _ in range(20):
            other = np.maximum(x + size * rng.standard_normal((16, 16)).astype(np.float32), 0)
            assert problem.objective(other) > 0.9999 * problem.objective(x)


def test_tv_reaches_odls_own_solution(small):
    """With ODL's ray transform and its weighted inner products, scaled to the same problem."""
    A, _, y = small
    theirs = tomo.RayTransform(space(SCAN), to_odl(SCAN), impl="astra_cpu")
    gradient = odl.Gradient(theirs.domain, pad_mode="symmetric")
    rays, pixel = float(theirs.range.weighting.const), SCAN.pixel_m
    # Sums over pixels and rays are ODL's integrals over their cells; its gradient is per metre. Both operators scaled to norm 1.
    norm, slope = float(odl.power_method_opnorm(theirs, maxiter=50, xstart=theirs.domain.one())), 8**0.5 / pixel
    data = theirs.range.element(y[0, 0].numpy() / norm)
    misfit = (0.5 * norm**2 / A.norm**2 / rays) * L2NormSquared(theirs.range).translated(data)
    variation = (0.01 * slope / pixel) * GroupL1Norm(gradient.range)
    operator = odl.BroadcastOperator((1 / norm) * theirs, (1 / slope) * gradient)
    x, constraint = theirs.domain.zero(), IndicatorNonnegativity(theirs.domain)
    steps = {"tau": 2 * pixel**2, "sigma": 0.2 / pixel**2}
    odl.solvers.pdhg(x, constraint, SeparableSum(misfit, variation), operator, niter=1500, **steps)
    problem = TotalVariationProblem(A, A.norm, y[0, 0].numpy(), 0.01)
    ours = problem.solve(np.zeros((16, 16), np.float32), 300)
    assert problem.objective(ours) == pytest.approx(problem.objective(np.maximum(x.asarray(), 0)), rel=1e-3)


def test_tv_beats_fbp_where_views_are_few():
    A = RayTransform(Parallel(pixels=64, fov_m=0.36, views=20), StoredMatrix)
    axis = torch.linspace(-1, 1, 64)
    x = (
        (axis[:, None] ** 2 + axis[None, :] ** 2 < 0.7).float() + (axis[:, None].abs() < 0.2) * (axis[None, :].abs() < 0.4).float()
    )[None, None]
    y = A(x)
    y = y + 0.01 * y.max() * torch.randn_like(y)
    start = FBP(A.geometry)
    gain = psnr(TV(A, start, 0.005)(y)[0, 0].numpy(), x[0, 0].numpy()) - psnr(start(y)[0, 0].numpy(), x[0, 0].numpy())
    assert gain > 5


@pytest.mark.parametrize("word", ["model.weight=0.0", "model.weight=-1.0", "model.iterations=0"])
def test_impossible_numbers_are_refused(word):
    with pytest.raises(InputError, match=word.split("=")[0]):
        experiment("model=tv", word).model()
