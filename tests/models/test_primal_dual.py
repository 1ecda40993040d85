"""Learned primal-dual and learned gradient descent, written out by hand."""

import pytest
import torch
from conftest import experiment
from torch.nn.functional import conv2d

from ctrecon.config.compose import compose
from ctrecon.config.experiment import Experiment
from ctrecon.errors import InputError
from ctrecon.models.learned_gradient import roughness


def random(model):
    """The model with filters, biases and slopes that all do something."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.normal_(std=0.1 if name.endswith("weight") else 0.05)
    return model


def same(z, layer):
    """A layer of zero-padded 3 x 3 filters."""
    return conv2d(z, layer.filter(), layer.bias, padding=1)


def prelu(z, slopes):
    return torch.where(z > 0, z, slopes[:, None, None] * z)


@pytest.fixture(scope="module")
def published():
    e = Experiment(compose(["experiment=primal_dual", "conv=plain", "geometry.pixels=16", "geometry.views=8"]))
    return e, random(e.model())


def test_published_primal_dual_has_its_layers(published):
    """Ten times (7, 32, 32, 5) and (6, 32, 32, 5) channels, 3 x 3, each hidden channel with a slope: 253,220 parameters."""
    m = published[1]
    shapes = [tuple(layer.filter().shape) for layer in (*m.duals[0].convolutions(), *m.primals[0].convolutions())]
    assert shapes == [(o, i, 3, 3) for o, i in ((32, 7), (32, 32), (5, 32), (32, 6), (32, 32), (5, 32))]
    assert len(m.duals) == len(m.primals) == 10
    assert sum(p.numel() for p in m.parameters()) == 253_220
    assert sum(p.numel() for name, p in m.named_parameters() if name.endswith("below")) == 10 * 4 * 32


def test_published_primal_dual_is_the_published_iteration(published):
    """From zero; the operator has norm 1; the second image is projected, the first one is the result."""
    e, m = published
    y = e.geometry.fov_m * torch.rand(1, 1, *e.geometry.shape)
    A, norm = e.ray, e.ray.norm
    f, h, g = torch.zeros(1, 5, 16, 16), torch.zeros(1, 5, *e.geometry.shape), y / norm
    for dual, primal in zip(m.duals, m.primals, strict=True):
        z = torch.cat([h, A(f[:, 1:2]) / norm, g], dim=1)
        for layer, activation in dual.layers:
            z = prelu(same(z, layer), activation.below)
        h = h + same(z, dual.project)
        z = torch.cat([f, A.transpose(h[:, :1]) / norm], dim=1)
        for layer, activation in primal.layers:
            z = prelu(same(z, layer), activation.below)
        f = f + same(z, primal.project)
    torch.testing.assert_close(m(y), f[:, :1], rtol=0, atol=1e-5 * f.abs().max().item())


def test_learned_gradient_is_the_published_iteration():
    """One network for ten iterations, with ReLU on features and on what is remembered."""
    words = ["model=learned_gradient", "model.iterations=10", "conv=plain", "conv.channels=32", "network=layers", "activation=relu"]
    e = experiment(*words)
    m, y = random(e.model()), e.geometry.fov_m * torch.rand(1, 1, *e.geometry.shape)
    (network,) = m.networks
    shapes = [tuple(layer.filter().shape) for layer in network.convolutions()]
    assert shapes == [(32, 8, 3, 3), (32, 32, 3, 3), (6, 32, 3, 3)]
    x, s, A = m.start(y), torch.zeros(1, 5, 32, 32), e.ray
    for _ in range(10):
        z = torch.cat([x, A.transpose(A(x) - y) / A.norm**2, roughness(x), s], dim=1)
        for layer, _ in network.layers:
            z = same(z, layer).relu()
        change = same(z, network.project)
        x, s = x + change[:, :1], change[:, 1:].relu()
    torch.testing.assert_close(m(y), x, rtol=1e-4, atol=1e-4 * x.abs().max().item())


def test_roughness_is_the_gradient_of_half_the_squared_differences():
    x = torch.randn(2, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    rough = (x.diff(dim=2).square().sum() + x.diff(dim=3).square().sum()) / 2
    torch.testing.assert_close(torch.autograd.grad(rough, x)[0], roughness(x.detach()))


@pytest.mark.parametrize("architecture", ["primal_dual", "learned_gradient"])
def test_networks_may_be_shared(architecture):
    counts = {
        (shared, iterations): sum(
            p.numel()
            for p in experiment(f"model={architecture}", f"model.shared={shared}", f"model.iterations={iterations}")
            .model()
            .parameters()
        )
        for shared in ("true", "false")
        for iterations in (1, 3)
    }
    assert counts["true", 3] == counts["true", 1] == counts["false", 1] and counts["false", 3] == 3 * counts["false", 1]


@pytest.mark.parametrize("words", [["model.primal=1"], ["model.dual=0"], ["model.iterations=0"]], ids=str)
def test_too_few_channels_are_refused(words):
    with pytest.raises(InputError, match="expected at least 1, 2 and 1"):
        experiment("model=primal_dual", *words).model()
