"""Contract of a data term, for every member of conf/data_term."""

import torch
from conftest import experiment

from ctrecon.config.make import make
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
