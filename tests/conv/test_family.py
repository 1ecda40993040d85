"""Contract of a convolution family, for every member of conf/conv."""

import math
import subprocess
import sys
import warnings

import pytest
import torch
from conftest import experiment, layers

from ctrecon.conv import rotation
from ctrecon.conv.domain import PADDING
from ctrecon.errors import InputError
from ctrecon.models.initialisation import isotropic_


def family(conv, *words):
    return experiment(f"conv={conv}", *words).family()


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


DEGREES = {
    "plain": 9.0,
    "c1": 6.0,
    "c2": 3.0,
    "c4": 1.5,
    "c4_wide": 1.5,
    "c8": 0.75,
    "d4": 0.75,
    "p4": 2.25,
}  # per pair of channels


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


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("layer", ["lift", "conv", "project"])
def test_full_basis_holds_every_equivariant_filter(kernel, layer):
    """Averaging any filter over the group leaves one in the span, and as many are independent as there are weights."""
    f = family("p4", f"conv.kernel={kernel}", "conv.channels=4")
    made = f.conv() if layer == "conv" else getattr(f, layer)(1)
    matrix = torch.stack([made.expand(unit).flatten() for unit in torch.eye(made.weight.numel())], 1)
    assert torch.linalg.matrix_rank(matrix) == made.weight.numel()
    free = torch.randn(made.filter().shape)
    average = torch.zeros_like(free)
    for g in range(4):
        moved = free.rot90(g, (2, 3))
        moved = moved.roll(g, 0) if moved.shape[0] == 4 else moved
        average += moved.roll(g, 1) if moved.shape[1] == 4 else moved
    assert torch.linalg.lstsq(matrix, average.flatten()[:, None]).solution.shape[0] == made.weight.numel()
    fitted = matrix @ torch.linalg.lstsq(matrix, average.flatten()[:, None]).solution
    torch.testing.assert_close(fitted[:, 0], average.flatten(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kernel", [5, 7])
def test_wider_filters_turn_too(conv, kernel):
    f = family(conv, f"conv.kernel={kernel}")
    if f.rotations % 4 == 0:
        inner, z = layers(f)[1], torch.randn(1, f.width, 9, 9)
        torch.testing.assert_close(inner(f.turn(z)), f.turn(inner(z)), rtol=0, atol=2e-5)


def test_filters_are_those_of_the_library():
    """The basis of one pair of fields, spread over all pairs, is escnn's expansion of all."""
    for conv in ("c4", "d4"):
        for layer in layers(family(conv)):
            expansion = rotation._expansion(layer.group, layer.regular, layer.fields, 3)
            torch.testing.assert_close(layer.filter(), expansion(layer.weight).reshape(layer.filter().shape))


def test_layers_share_no_state():
    one, other = (layers(family("c4"))[1] for _ in range(2))
    one.double()
    assert other.filter().dtype == torch.float32


def test_wide_control_has_the_parameters_of_the_ordinary_model():
    counts = {}
    for words in (("plain",), ("c4_wide",), ("plain", "conv.channels=96"), ("c4_wide", "conv.channels=244")):
        f = family(
            words[0],
            f"conv.channels={words[1].split('=')[1]}" if words[1:] else f"conv.channels={32 if words[0] == 'plain' else 88}",
        )
        counts[words] = 8 * sum(p.numel() for layer in (f.lift(7), f.conv(), f.project(6)) for p in layer.parameters())
    assert counts["plain", "conv.channels=96"] == 754_992 and counts["c4_wide", "conv.channels=244"] == 753_520
    assert counts["c4_wide",] == pytest.approx(counts["plain",], rel=0.03)


def test_groups_are_built_on_a_fresh_machine():
    """With ODL loaded and nothing of what escnn keeps on disk, as after an installation."""
    code = """
import joblib, odl
memory = joblib.Memory
joblib.Memory = lambda location, **options: memory(None, **options)
from ctrecon.conv.rotation import Cyclic, Dihedral
for family in (Cyclic(4, 16), Dihedral(4, 16)):
    assert family.conv().filter().shape == (16, 16, 3, 3)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_warnings_of_escnn_reach_nobody(monkeypatch):
    """Its cache on disk warns where the disk is slow, while groups, bases and initial filters are made."""
    for owner, name in ((rotation.gspaces, "rot2dOnR2"), (rotation.enn, "R2Conv")):
        monkeypatch.setattr(owner, name, warning(getattr(owner, name)))
    with pytest.warns(match="slow"):
        rotation.gspaces.rot2dOnR2(4)
    rotation._basis.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rotation.Cyclic(4, channels=8).conv().reset_as_published()


def warning(make):
    def made(*args, **kwargs):
        warnings.warn("the disk is slow", stacklevel=2)
        return make(*args, **kwargs)

    return made
