"""Contract of a convolution family, for every member of conf/conv."""

import math
import subprocess
import sys

import pytest
import torch
from conftest import experiment

from ctrecon.build import make
from ctrecon.conv.convolution import PADDING
from ctrecon.errors import InputError
from ctrecon.models.initialisation import isotropic_


def family(conv, *words):
    return make(experiment(f"conv={conv}", *words).config["conv"])


def layers(f):
    made = [f.lift(3), f.conv(), f.project(2)]
    for layer in made:
        isotropic_(layer)
        torch.nn.init.normal_(layer.bias)
    return made


@pytest.mark.parametrize("padding", sorted(PADDING))
@pytest.mark.parametrize("size", [8, 9])
def test_quarter_turns_pass_through(conv, padding, size):
    """Turning scalars or features before a layer is turning its output; the family's own turn is the only one that does."""
    f = family(conv, f"conv.padding={padding}")
    lift, inner, project = layers(f)
    x, z = torch.randn(2, 3, size, size), torch.randn(2, f.width, size, size)
    if f.rotations % 4:
        with pytest.raises(InputError, match="quarter turn"):
            f.turn(z)
        assert (
            project(f.activation(lift(x.rot90(1, (2, 3))))) - project(f.activation(lift(x))).rot90(1, (2, 3))
        ).abs().max() > 1e-2
        return
    turned = f.turn(z)
    close = {"rtol": 0, "atol": 1e-5}
    torch.testing.assert_close(f.activation(lift(x.rot90(1, (2, 3)))), f.turn(f.activation(lift(x))), **close)
    torch.testing.assert_close(inner(turned), f.turn(inner(z)), **close)
    torch.testing.assert_close(inner.transpose(turned), f.turn(inner.transpose(z)), **close)
    torch.testing.assert_close(project(turned), project(z).rot90(1, (2, 3)), **close)
    wrong = f.turn(f.turn(z)).rot90(-1, (2, 3))  # the pixels turned once, the channels twice
    assert (inner(wrong) - f.turn(inner(z))).abs().max() > 1e-1


def test_four_quarter_turns_are_none(conv):
    f = family(conv)
    if f.rotations % 4 == 0:
        z = torch.randn(1, f.width, 5, 5)
        torch.testing.assert_close(f.turn(f.turn(f.turn(f.turn(z)))), z)


@pytest.mark.parametrize("padding", sorted(PADDING))
def test_transpose_is_exact(conv, padding):
    f = family(conv, f"conv.padding={padding}")
    for layer in layers(f):
        _, inputs, *_ = layer.filter().shape
        z = torch.randn(2, inputs, 7, 6)
        Kz = layer.linear(z)
        w = torch.randn_like(Kz)
        defect = ((Kz * w).double().sum() - (z * layer.transpose(w)).double().sum()).abs()
        assert defect < 1e-6 * Kz.norm() * w.norm()


def test_transpose_carries_gradients(conv):
    f = family(conv)
    layer = layers(f)[1]
    layer.transpose(torch.randn(1, f.width, 6, 6)).square().sum().backward()
    assert layer.weight.grad.abs().max() > 0


def test_every_family_starts_with_the_same_filter_variance(conv):
    """The mean square of the filter is 1 / fan-in, and no direction of the filter space is preferred."""
    f = family(conv)
    for layer in (f.lift(3), f.conv(), f.project(2)):
        isotropic_(layer)
        kernel = layer.filter()
        assert kernel.square().mean().item() == pytest.approx(1 / math.prod(kernel.shape[1:]), rel=1e-4)
        assert not layer.bias.any()


def test_training_mode_changes_nothing(conv):
    """Filters never depend on modes (escnn's own layers do), so weights saved in either load in both."""
    f = family(conv)
    layer, z = layers(f)[1], torch.randn(1, f.width, 6, 6)
    trained = layer.train()(z)
    assert torch.equal(layer.eval()(z), trained)
    assert set(dict(layer.named_parameters())) == {"weight", "bias"}


DEGREES = {"plain": 9.0, "c1": 6.0, "c2": 3.0, "c4": 1.5, "c8": 0.75, "d4": 0.75, "p4": 2.25}  # per pair of channels


def test_degrees_of_freedom(conv):
    f = family(conv)
    assert f.conv().weight.numel() == DEGREES[conv] * f.width**2


def test_bad_values_are_refused(conv):
    for words in ("conv.padding=mirror", "conv.kernel=4"):
        with pytest.raises(InputError, match="conv"):
            layers(family(conv, words))
    if conv not in ("plain", "c1"):
        with pytest.raises(InputError, match="multiple"):
            family(conv, "conv.channels=15")


def test_full_basis_is_that_of_3_by_3():
    with pytest.raises(InputError, match="kernel"):
        family("p4", "conv.kernel=5")


def test_groups_are_built_on_a_fresh_machine():
    """With ODL loaded and nothing of what escnn keeps on disk, as after an installation."""
    code = """
import joblib, odl
memory = joblib.Memory
joblib.Memory = lambda location, **options: memory(None, **options)
from ctrecon.conv.rotation import Cyclic, Dihedral
for family in (Cyclic(4, 16), Cyclic(8, 16), Dihedral(4, 16)):
    assert family.conv().filter().shape == (16, 16, 3, 3)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
