"""Contract of a network: scalar channels in, scalar channels out, turning with the image at any size."""

import pytest
import torch
from conftest import experiment
from torch.nn import functional

from ctrecon.models.pooling import enlarged, pooled

SIZES = [(16, 16), (13, 13), (12, 9), (5, 5)]


def built(network, conv, *words):
    e = experiment(f"network={network}", f"conv={conv}", "conv.channels=8", *words)
    e.network = e._network()(e.family(), e._block(), 3, 2)
    for layer in e.network.convolutions():
        torch.nn.init.normal_(layer.weight, std=0.3)
        torch.nn.init.normal_(layer.bias, std=0.1)
    return e.network


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("family", ["plain", "c4", "p4", "d4"])
def test_quarter_turns_pass_through(network, family, shape):
    """Of square images and of others; not through ordinary features."""
    f = built(network, family)
    x = torch.randn(2, 3, *shape)
    with torch.no_grad():
        turned, after = f(x.rot90(1, (2, 3))), f(x).rot90(1, (2, 3))
    assert turned.shape == (2, 2, *reversed(shape))
    error = ((turned - after).abs().max() / after.abs().max()).item()
    assert error < 1e-5 if family != "plain" else error > 1e-2


def test_every_parameter_learns(network, field):
    f = built(network, "c4", f"field={field}", "block.time=0.1", "block.steps=2")
    f(torch.randn(1, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in f.parameters())


def test_correction_scales_what_comes_out(network):
    f = built(network, "c4")
    x, zero = torch.randn(1, 3, 8, 8), f.project.shift()[:, None, None]
    before = f(x)
    f.scale_correction(0.25)
    torch.testing.assert_close(f(x) - zero, 0.25 * (before - zero))


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13])
def test_pooling_halves_and_enlarging_gives_the_size_back(size):
    z = torch.randn(1, 2, size, 2 * size + 1)
    small = pooled(z)
    assert small.shape[2:] == (-(-size // 2), size + 1) and enlarged(small, z.shape[2:]).shape == z.shape
    constant = torch.full((1, 1, size, size), 3.0)
    torch.testing.assert_close(enlarged(pooled(constant), (size, size)), constant)


@pytest.mark.parametrize("size", [12, 13])
def test_pooling_and_enlarging_keep_places(size):
    """A ramp stays the same ramp, away from the edges: pixels of the small image lie where they say."""
    ramp = torch.arange(float(size)).expand(1, 1, size, size)
    back = enlarged(pooled(ramp), (size, size))
    torch.testing.assert_close(back[..., 2:-2], ramp[..., 2:-2])


def test_a_strided_layer_would_not_turn():
    """The check above can fail: reading every second pixel from one end does not turn on an even side."""
    x = torch.randn(1, 1, 8, 8)
    strided = lambda z: functional.avg_pool2d(z, 3, stride=2, padding=1)  # noqa: E731
    assert (strided(x.rot90(1, (2, 3))) - strided(x).rot90(1, (2, 3))).abs().max() > 1e-2
