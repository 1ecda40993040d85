"""Total variation: against minimisers that are known in closed form. (tests/models/test_classical.py has it on the ray transform.)"""

import numpy as np
import odl
import pytest
import torch

from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.total_variation import TotalVariationProblem, solve_batch, unit_cells

N = 8
IMAGES = odl.uniform_discr([0, 0], (N, N), (N, N), dtype="float32")


def halves(left, right, across=True):
    x = np.full((N, N), left, dtype=np.float32)
    x[:, N // 2 :] = right
    return x if across else x.T.copy()


def denoised(y, weight, scale=1.0, iterations=300):
    """The minimiser of |scale x - y|^2 / (2 scale^2) + weight TV(x), x >= 0."""
    problem = TotalVariationProblem(scale * odl.IdentityOperator(IMAGES), scale, y, weight)
    return problem, problem.solve(np.full((N, N), 0.3, dtype=np.float32), iterations)


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("weight", [0.1, 0.3])
def test_an_edge_keeps_its_place_and_loses_height(across, weight):
    """The edge is N long, each side has N^2 / 2 pixels: both sides move by 2 weight / N towards each other."""
    step = 2 * weight / N
    problem, x = denoised(halves(0.2, 1.0, across), weight)
    np.testing.assert_allclose(x, halves(0.2 + step, 1.0 - step, across), atol=2e-3)
    assert problem.objective(x) == pytest.approx(N**2 / 2 * step**2 + weight * N * (0.8 - 2 * step), rel=5e-3)


def test_no_value_is_negative_and_the_other_side_is_free_of_it():
    x = denoised(halves(-1.0, 1.0), 0.5)[1]
    np.testing.assert_allclose(x, halves(0.0, 1.0 - 1 / N), atol=2e-3)
    assert (x >= 0).all()


def test_the_mean_is_kept_and_variation_falls():
    y = np.random.default_rng(0).uniform(0.5, 1, (N, N)).astype(np.float32)
    problem, x = denoised(y, 0.05)
    assert x.mean() == pytest.approx(y.mean(), abs=1e-3)
    assert x.std() < 0.7 * y.std() and problem.objective(x) < problem.objective(y)


def test_the_operator_is_divided_by_its_norm():
    """min |3 x - 3 z|^2 / (2 * 9) + weight TV is min |x - z|^2 / 2 + weight TV."""
    np.testing.assert_allclose(
        denoised(3 * halves(0.2, 1.0), 0.5, 3.0, 40)[1], denoised(halves(0.2, 1.0), 0.5, 1.0, 40)[1], atol=1e-5
    )


def test_variation_is_isotropic():
    """A corner counts sqrt 2, not 2."""
    x = np.zeros((N, N), dtype=np.float32)
    x[5, 6] = 1.0
    problem = TotalVariationProblem(odl.IdentityOperator(IMAGES), 1.0, x, 1.0)
    assert problem.objective(x) == pytest.approx(2 + 2**0.5, rel=1e-5)  # its own two differences, one above and one to the left


@pytest.mark.parametrize("weight", [1e-4, 0.01, 1.0])
def test_a_batch_is_solved_as_odl_solves_one_after_the_other(weight):
    A = RayTransform(Parallel(pixels=N, fov_m=0.2, views=8))
    y, start = A(torch.rand(2, 1, N, N)), torch.rand(2, 1, N, N) - 0.3
    kept = y.clone(), start.clone()
    together = solve_batch(A, y, start, weight, 50)
    assert torch.equal(y, kept[0]) and torch.equal(start, kept[1])
    for k in range(2):
        alone = TotalVariationProblem(A, A.norm, y[k, 0].numpy(), weight).solve(start[k, 0].numpy(), 50)
        np.testing.assert_allclose(together[k, 0].numpy(), alone, atol=2e-6)
    assert solve_batch(A, y.double(), start.double(), weight, 7).dtype == torch.float64
    assert unit_cells(A).domain.cell_volume == 1 and unit_cells(A).range.cell_volume == 1
