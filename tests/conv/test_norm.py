"""The spectral norm, against the matrix itself."""

import math

import pytest
import torch
from conftest import experiment

from ctrecon.conv.norm import NormBound, spectral_norm
from ctrecon.errors import InputError
from ctrecon.models.initialisation import isotropic_


def test_norm_is_that_of_the_matrix(conv):
    layer = experiment(f"conv={conv}").family().conv()
    isotropic_(layer)
    width = layer.filter().shape[1]
    columns = layer.linear(torch.eye(width * 20).reshape(-1, width, 4, 5)).flatten(1)
    assert spectral_norm(layer, (4, 5)) == pytest.approx(torch.linalg.matrix_norm(columns, 2).item(), rel=1e-2)


def test_norm_grows_with_the_grid(conv):
    layer = experiment(f"conv={conv}").family().conv()
    isotropic_(layer)
    small, large = (spectral_norm(layer, (n, n)) for n in (6, 24))
    assert small < large


def test_norms_of_nothing_and_of_what_is_no_number():
    layer = experiment("conv=c4").family().conv()
    assert spectral_norm(layer, (8, 8)) == 0 and NormBound(layer).eval()().item() == 0
    with torch.no_grad():
        layer.weight.fill_(float("nan"))
    assert math.isnan(spectral_norm(layer, (8, 8)))


def trained_a_little(layer, bound, steps=20):
    """Steps that all push the filter one way, as the first ones of a training do: another direction overtakes the top one."""
    way = torch.sign(torch.randn_like(layer.weight))
    for _ in range(steps):
        with torch.no_grad():
            layer.weight.add_(3e-3 * way)
        yield bound.train()().item()


def test_bound_holds_on_every_grid_while_weights_move(conv):
    layer = experiment(f"conv={conv}").family().conv()
    isotropic_(layer)
    bound = NormBound(layer)
    for seen in trained_a_little(layer, bound):
        assert seen >= spectral_norm(layer, (12, 12))
    exact = bound.eval()().item()
    *others, large = (spectral_norm(layer, shape) for shape in ((12, 12), (20, 17), (48, 48)))
    assert exact >= max(*others, large) and exact == pytest.approx(large, rel=0.03)
    with torch.no_grad():
        layer.weight.mul_(2)
    assert bound().item() == pytest.approx(2 * exact, rel=1e-5)


@pytest.mark.parametrize("kernel", [1, 5, 7])
def test_bound_holds_for_every_filter_width(kernel):
    layer = experiment("conv=plain", f"conv.kernel={kernel}").family().lift(3)
    isotropic_(layer)
    norm = spectral_norm(layer, (40, 40))
    assert norm <= NormBound(layer).eval()().item() <= 1.05 * norm


def test_bound_has_the_norms_gradient():
    """Scaling K scales the norm: its derivative along the weight is the norm itself."""
    layer = experiment("conv=c4").family().conv()
    isotropic_(layer)
    norm = NormBound(layer)()
    norm.backward()
    assert (layer.weight.grad * layer.weight).sum().item() == pytest.approx(norm.item(), rel=1e-5)


def test_bound_is_for_zero_padding():
    with pytest.raises(InputError, match="padding=zeros"):
        NormBound(experiment("conv=plain", "conv.padding=replicate").family().conv())
