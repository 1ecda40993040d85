"""Contract of a data term, for every member of conf/data_term."""

import pytest
import torch
from conftest import experiment
from torch.func import jacrev

from ctrecon.config.make import make
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.data_term import LeastSquares, PoissonLikelihood, ProximalLeastSquares
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform


def term(data_term, fov_m=0.2):
    return make(
        "data_term",
        experiment(f"data_term={data_term}").config["data_term"],
        ray=RayTransform(Parallel(pixels=24, fov_m=fov_m, views=12)),
    )


def test_gradient_is_that_of_the_value(data_term):
    d = term(data_term).double()
    x, truth = torch.rand(2, 1, 24, 24).double() * 0.1, torch.rand(2, 1, 24, 24).double() * 0.1
    y, x = d.ray(truth), x.requires_grad_()
    (expected,) = torch.autograd.grad(d.value(x, y).sum(), x)
    torch.testing.assert_close(d.gradient(x, y), expected, rtol=1e-9, atol=1e-12)


def test_truth_is_the_minimum_and_a_step_of_one_goes_down(data_term):
    d = term(data_term)
    x, truth = torch.rand(1, 1, 24, 24) * 0.1, torch.rand(1, 1, 24, 24) * 0.1
    y = d.ray(truth)
    assert d.gradient(truth, y).abs().max() < 1e-6 * d.gradient(x, y).abs().max()
    assert d.value(x - d.gradient(x, y), y) < d.value(x, y)


def test_gradient_is_differentiable_in_image_and_sinogram(data_term):
    d = term(data_term)
    x, y = torch.rand(1, 1, 24, 24, requires_grad=True), torch.rand(1, 1, *d.ray.geometry.shape, requires_grad=True)
    d.gradient(x, y).square().sum().backward()
    assert x.grad.abs().max() > 0 and y.grad.abs().max() > 0


def test_least_squares_does_not_depend_on_the_size_of_the_object():
    x, truth = torch.rand(1, 1, 24, 24), torch.rand(1, 1, 24, 24)
    small, large = (term("least_squares", fov_m) for fov_m in (0.1, 0.4))
    torch.testing.assert_close(small.gradient(x, small.ray(truth)), large.gradient(x, large.ray(truth)), rtol=1e-3, atol=1e-5)


def explicit(kind, **options):
    """A term in float64, its operator as a matrix, and that matrix's squared norm."""
    ray = RayTransform(Parallel(pixels=4, fov_m=0.2, views=3)).double()
    M = ray(torch.eye(16, dtype=torch.float64).reshape(16, 1, 4, 4)).flatten(1).T
    return kind(ray, **options), M, torch.linalg.matrix_norm(M, 2).item() ** 2


@pytest.mark.parametrize("normalised", [True, False])
def test_least_squares_is_half_the_squared_misfit_of_each_image(normalised):
    d, M, square = explicit(LeastSquares, normalised=normalised)
    x, y = torch.rand(2, 1, 4, 4).double(), torch.rand(2, 1, *d.ray.geometry.shape).double()
    expected = (x.flatten(1) @ M.T - y.flatten(1)).square().sum(1) / 2 / (square if normalised else 1)
    torch.testing.assert_close(d.value(x, y), expected, rtol=1e-6, atol=0)
    assert d.nonexpansive == normalised and d.factor == pytest.approx(1 / square if normalised else 1, rel=1e-6)


@pytest.mark.parametrize("strength", [0.3, 100.0])
def test_proximal_step_is_the_minimum_between_misfit_and_image(strength):
    """argmin t |A z - y|^2 / ||A||^2 + |z - x|^2, solved as it stands; one iteration is no proximal step, and non-expansive all the same."""
    d, M, square = explicit(ProximalLeastSquares, strength=strength, iterations=300)
    x, y = torch.rand(2, 1, 4, 4).double(), torch.rand(2, 1, *d.ray.geometry.shape).double()
    normal = torch.eye(16).double() + strength / square * M.T @ M
    z = torch.linalg.solve(normal, (x.flatten(1) + strength / square * y.flatten(1) @ M).T).T
    torch.testing.assert_close((x - d.gradient(x, y)).flatten(1), z, rtol=1e-6, atol=1e-9)
    least = 0.5 * strength / square * (z @ M.T - y.flatten(1)).square().sum(1) + 0.5 * (z - x.flatten(1)).square().sum(1)
    torch.testing.assert_close(d.value(x, y), least, rtol=1e-6, atol=0)


@pytest.mark.parametrize("strength", [0.3, 100.0])
@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_proximal_steps_never_expand_and_add_no_more_noise_than_they_say(strength, iterations):
    d, _, square = explicit(ProximalLeastSquares, strength=strength, iterations=iterations)
    x, y = torch.zeros(1, 1, 4, 4).double(), torch.zeros(1, 1, *d.ray.geometry.shape).double()
    step = jacrev(lambda v: v - d.gradient(v, y))(x).reshape(16, 16)
    noise = jacrev(lambda w: d.gradient(x, w))(y).reshape(16, -1)
    assert torch.linalg.matrix_norm(step, 2) <= 1 + 1e-6
    assert torch.linalg.matrix_norm(noise, 2) * square**0.5 <= d.noise_gain * (1 + 1e-6)
    assert torch.linalg.matrix_norm(noise, 2) * square**0.5 >= 0.5 * d.noise_gain


@pytest.mark.parametrize("normalised", [True, False])
def test_poisson_likelihood_is_that_of_the_counts(normalised):
    """torch's own, whose constant two images share, over the number of photons."""
    d, M, square = explicit(PoissonLikelihood, normalised=normalised)
    x, y, photons = torch.rand(2, 1, 4, 4).double(), torch.rand(1, 1, *d.ray.geometry.shape).double() * 0.05, 1e4
    counts = (photons * torch.exp(-MU_MAX * y)).flatten(1).expand(2, -1)
    log_expected = torch.log(torch.tensor(photons)) - MU_MAX * x.flatten(1) @ M.T
    loss = torch.nn.functional.poisson_nll_loss(log_expected, counts, reduction="none").sum(1) / photons
    loss = loss / MU_MAX**2 / (square if normalised else 1)
    values = d.value(x, y.expand(2, -1, -1, -1))
    torch.testing.assert_close(values[0] - values[1], loss[0] - loss[1], rtol=1e-6, atol=0)
    assert not d.nonexpansive and values.shape == (2,)


def test_poisson_hessian_at_the_truth_is_least_squares_weighted_by_the_transmission():
    d, M, square = explicit(PoissonLikelihood)
    x = torch.rand(1, 1, 4, 4).double() * 0.1
    y = d.ray(x)
    hessian = jacrev(lambda v: d.gradient(v, y))(x).reshape(16, 16)
    torch.testing.assert_close(hessian, M.T * torch.exp(-MU_MAX * y.flatten()) @ M / square, rtol=1e-6, atol=1e-12)
