"""Contract of a domain, and of features of sinograms."""

import pytest
import torch
from conftest import experiment, layers

from ctrecon.config.make import make
from ctrecon.conv.domain import Moebius, Replicate, Ring, Zeros
from ctrecon.conv.norm import NormBound, spectral_norm
from ctrecon.errors import InputError

DOMAINS = [Zeros(), Replicate(), Ring(), Moebius()]
KINDS = ["ordinary", "symmetric", "regular"]
NAMES = [type(domain).__name__ for domain in DOMAINS]


def strip(kind, domain, conv="c4", kernel=3):
    e = experiment(f"conv={conv}", f"strip={kind}", f"strip.kernel={kernel}", "conv.channels=8")
    return make("strip", e.config["strip"])(e.family(), domain)


def shifted(z, views, flip):
    """The object turned on a Moebius strip: what leaves at the end comes in at the start, flipped."""
    return torch.cat([flip(z[:, :, -views:]), z[:, :, :-views]], 2)


@pytest.mark.parametrize("domain", DOMAINS, ids=NAMES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_transposes_are_exact_on_every_domain(kind, domain, kernel):
    for layer in layers(strip(kind, domain, kernel=kernel)):
        z = torch.randn(2, layer.filter().shape[1], 7, 6)
        Kz = layer.linear(z)
        w = torch.randn_like(Kz)
        defect = ((Kz * w).double().sum() - (z * layer.transpose(w)).double().sum()).abs()
        assert Kz.shape[2:] == z.shape[2:] and defect < 1e-6 * Kz.norm() * w.norm()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel", [3, 5])
def test_every_shift_passes_on_a_ring(kind, kernel):
    for layer in layers(strip(kind, Ring(), kernel=kernel)):
        z = torch.randn(1, layer.filter().shape[1], 9, 6)
        torch.testing.assert_close(layer(z.roll(4, 2)), layer(z).roll(4, 2), rtol=0, atol=1e-5)


@pytest.mark.parametrize("views", [1, 4, 9])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_every_shift_passes_on_a_moebius_strip_where_filters_commute_with_the_flip(kind, kernel, views):
    """Ordinary filters are the control: they do not let it pass."""
    family = strip(kind, Moebius(), kernel=kernel)
    lift, conv, project = layers(family)
    read = lambda z: z.flip(-1)  # noqa: E731
    y, z = torch.randn(1, 3, 9, 6), torch.randn(1, family.width, 9, 6)
    passes = [
        (lift(shifted(y, views, read)), shifted(lift(y), views, conv.flip)),
        (family.activation(conv(shifted(z, views, conv.flip))), shifted(family.activation(conv(z)), views, conv.flip)),
        (project(shifted(z, views, conv.flip)), shifted(project(z), views, read)),
    ]
    for before, after in passes:
        if kind == "ordinary":
            assert (before - after).abs().max() > 1e-2
        else:
            torch.testing.assert_close(before, after, rtol=0, atol=1e-5)


def test_views_after_the_last_are_the_first():
    """Written out: one row beyond each end, flipped on a Moebius strip."""
    z = torch.arange(6.0).reshape(1, 1, 3, 2)
    read = lambda z: z.flip(-1)  # noqa: E731
    assert Ring().extend(z, 1, read)[0, 0].tolist() == [[0, 4, 5, 0], [0, 0, 1, 0], [0, 2, 3, 0], [0, 4, 5, 0], [0, 0, 1, 0]]
    assert Moebius().extend(z, 1, read)[0, 0].tolist() == [[0, 5, 4, 0], [0, 0, 1, 0], [0, 2, 3, 0], [0, 4, 5, 0], [0, 1, 0, 0]]


DEGREES = {"ordinary": 9.0, "symmetric": 6.0, "regular": 4.5}  # of freedom a pair of channels


@pytest.mark.parametrize("kind", KINDS)
def test_degrees_of_freedom(kind):
    """On a ring every kind has all filters: nothing has to commute with a flip there."""
    family = strip(kind, Moebius())
    assert family.conv().weight.numel() == DEGREES[kind] * family.width**2
    assert strip(kind, Ring()).conv().weight.numel() == 9 * family.width**2


@pytest.mark.parametrize("kernel", [3, 5])
def test_regular_features_have_every_filter_that_commutes_with_the_flip(kernel):
    """The mean of any filter and its flip is in the span."""
    layer = strip("regular", Moebius(), kernel=kernel).layer(1, 1)
    conv = strip("regular", Moebius(), kernel=kernel).resized(2).conv()
    assert layer.weight.numel() == kernel**2
    matrix = torch.stack([conv.expand(unit).flatten() for unit in torch.eye(conv.weight.numel())], 1)
    free = torch.randn(conv.filter().shape)
    mean = free + free.flip(-1).flip(0).flip(1)
    fitted = matrix @ torch.linalg.lstsq(matrix, mean.flatten()[:, None]).solution
    assert torch.linalg.matrix_rank(matrix) == conv.weight.numel()
    torch.testing.assert_close(fitted[:, 0], mean.flatten(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("domain", DOMAINS, ids=NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_norms_are_bounded_where_the_domain_says_so(kind, domain):
    layer = layers(strip(kind, domain))[1].eval()
    if not domain.bounded:
        with pytest.raises(InputError, match=r"conv\.padding=zeros"):
            NormBound(layer)
        return
    bound = NormBound(layer).eval()().item()
    assert max(spectral_norm(layer, shape) for shape in ((5, 7), (16, 12))) <= bound


def test_odd_widths_carry_no_flip():
    e = experiment("conv=plain", "conv.channels=7")
    with pytest.raises(InputError, match="multiple of 2"):
        make("strip", e.config["strip"])(e.family(), Moebius())
