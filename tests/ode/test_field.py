"""Contract of a vector field, for every field and convolution family."""

import numpy as np
import pytest
import torch
from conftest import experiment, field_of, state_of

from ctrecon.config.make import make
from ctrecon.conv.norm import spectral_norm
from ctrecon.errors import InputError
from ctrecon.ode.gradient_flow import GradientFlow
from ctrecon.ode.separable import Separable


def turned(family, z):
    """The turn of every feature map of a state."""
    if z.shape[1] == family.width:
        return family.turn(z)
    return torch.cat([family.turn(part) for part in z.split(family.width, dim=1)], dim=1)


def test_keeps_shape_and_has_gradients(field, conv):
    family, f = field_of(field, conv)
    z = state_of(family, f, batch=2)
    assert f(z).shape == z.shape and f.end(z).shape == (2, family.width, 8, 8)
    f(z).square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in f.parameters())


def test_turns_with_its_features(field, conv):
    family, f = field_of(field, conv)
    z = state_of(family, f, size=7)
    if family.rotations % 4:
        with pytest.raises(InputError, match="no quarter turn"):
            turned(family, z)
    else:
        torch.testing.assert_close(f(turned(family, z)), turned(family, f(z)), rtol=0, atol=2e-5)


def test_rate_bounds_growth(field, conv):
    family, f = field_of(field, conv)
    z = state_of(family, f)
    d = torch.randn_like(z)
    for _ in range(30):  # towards the direction that grows most
        _, d = torch.func.jvp(f, (z,), (d / d.norm(),))
        d = torch.func.vjp(f, z)[1](d)[0]
    growth = torch.func.jvp(f, (z,), (d / d.norm(),))[1].norm().item()
    assert growth <= 1.001 * f.rate((8, 8))


def test_gradient_flow_descends_its_potential(conv, activation):
    """f is minus the gradient of sum S(K z + b), S' = s, for every activation."""
    family, f = field_of("gradient_flow", conv, f"activation={activation}")
    z = state_of(family, f, size=6).double().requires_grad_()
    slope = f.double()(z)
    d = torch.randn_like(z)
    value = lambda t: f.potential.value(z.detach() + t * d).item()  # noqa: E731
    central = (value(1e-5) - value(-1e-5)) / 2e-5
    assert central == pytest.approx(-(slope * d).sum().item(), rel=1e-3)


@pytest.mark.parametrize("features", ["plain", "c4"])
def test_energy_has_the_field_as_its_symplectic_gradient(field, features, activation):
    family, f = field_of(field, features, f"activation={activation}")
    if not isinstance(f, Separable):
        assert not hasattr(f, "energy")  # it promises none
        return
    z = state_of(family, f, size=6).double()
    d = torch.randn_like(z)
    f = f.double()
    central = (f.energy(z + 1e-5 * d) - f.energy(z - 1e-5 * d)).item() / 2e-5
    q, p = f(z).chunk(2, dim=1)  # q' = dH/dp, p' = -dH/dq
    assert central == pytest.approx((torch.cat([-p, q], dim=1) * d).sum().item(), rel=1e-3)


@torch.no_grad()
def test_activations_integrate_to_themselves(activation):
    s = make("activation", experiment(f"activation={activation}").config["activation"])
    z = torch.linspace(-30, 30, 2001, dtype=torch.float64).reshape(1, 1, 1, -1)
    S = s.integral(z)
    np.testing.assert_allclose(torch.diff(S) / torch.diff(z), s((z[..., 1:] + z[..., :-1]) / 2), atol=1e-2, rtol=1e-3)
    steepest = (torch.diff(s(z)) / torch.diff(z)).max().item()
    assert steepest == pytest.approx(s.slope, rel=1e-2) and (torch.diff(s(z)) >= 0).all()


def test_antisymmetric_rotates_and_damps(conv):
    """<z, (K - K^T - gamma) z> = -gamma |z|^2, and no eigenvalue of the Jacobian has a positive real part."""
    family, f = field_of("antisymmetric", conv, "conv.channels=8" if conv != "c4_wide" else "conv.channels=16", "field.damping=0.3")
    z = torch.randn(1, family.width, 5, 5)
    assert (z * f.linear(z)).sum().item() == pytest.approx(-0.3 * z.square().sum().item(), rel=1e-4)
    jacobian = torch.func.jacrev(lambda v: f(v.reshape_as(z)).flatten())(z.flatten())
    assert torch.linalg.eigvals(jacobian).real.max() < 1e-4


@pytest.mark.parametrize("over", [1.99, 2.1])
def test_euler_step_is_nonexpansive_just_up_to_its_bound(conv, over):
    """At the top singular vector with all units active, where random pairs would miss it: h = 1.99 / |K|^2 keeps, 2.1 expands."""
    family, f = field_of("gradient_flow", conv)
    assert isinstance(f, GradientFlow)
    K = f.potential.K
    torch.nn.init.constant_(K.bias, 1e3)  # every unit active: s has slope 1
    v = torch.randn(1, family.width, 8, 8)
    for _ in range(300):
        v = K.transpose(K.linear(v / v.norm()))
    v = v / v.norm()
    h = over / spectral_norm(K, (8, 8)) ** 2
    growth = torch.func.jvp(lambda z: z + h * f(z), (torch.zeros_like(v),), (v,))[1].norm().item()
    assert growth == pytest.approx(abs(1 - over), abs=5e-3)
    assert (growth <= 1) == (over < 2)


def test_second_order_leapfrog_is_the_recurrence():
    """z_(j+1) = 2 z_j - z_(j-1) - h^2 K^T s(K z_j + b), from rest."""
    e = experiment("field=second_order", "integrator=leapfrog", "block.steps=5", "block.time=0.5")
    block = make("block", e.config["block"], integrator=make("integrator", e.config["integrator"]))(
        lambda: field_of("second_order", "c4")[1]
    )
    z, f, h = torch.randn(1, 16, 6, 6), block.field, 0.1
    before, now = z, z + h**2 / 2 * f.force(z)
    for _ in range(4):
        before, now = now, 2 * now - before + h**2 * f.force(now)
    torch.testing.assert_close(block(z), now, rtol=1e-4, atol=1e-5)


def test_hamiltonian_has_half_the_weights_of_its_width():
    counts = {name: sum(p.numel() for p in field_of(name, "c4")[1].parameters()) for name in ("residual", "hamiltonian")}
    assert counts["hamiltonian"] == pytest.approx(counts["residual"] / 2, rel=0.02)  # as many biases


def test_what_cannot_be_halved_is_refused():
    for words in (("plain", "conv.channels=15"), ("d4", "conv.channels=8")):
        with pytest.raises(InputError, match="hamiltonian splits the features"):
            field_of("hamiltonian", *words)


def test_normalised_features_have_unit_mean_square():
    family, f = field_of("gradient_flow", "c4", "normalisation=tv", "activation=tanh")
    z = 100 * torch.randn(1, 16, 6, 6)
    normalised = torch.atanh(f.potential.activation(z).clamp(-0.999, 0.999))
    assert normalised.square().mean(1).median().item() == pytest.approx(1, rel=1e-2)
    assert not f.potential.activation.pointwise
    torch.testing.assert_close(f(family.turn(z)), family.turn(f(z)), rtol=0, atol=1e-5)
