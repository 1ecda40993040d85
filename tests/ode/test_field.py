"""Contract of a vector field, for every field and convolution family."""

import pytest
import torch
from conftest import experiment

from ctrecon.build import make
from ctrecon.conv.norm import spectral_norm
from ctrecon.models.initialisation import isotropic_
from ctrecon.ode.gradient_flow import GradientFlow


def build(field, conv):
    config = experiment(f"field={field}", f"conv={conv}").config
    family = make(config["conv"])
    f = make(config["field"])(family)
    isotropic_(f.K)
    return family, f


def test_keeps_shape_and_has_gradients(field, conv):
    family, f = build(field, conv)
    z = torch.randn(2, family.width, 8, 8)
    assert f(z).shape == z.shape
    f(z).square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in f.parameters())


def test_turns_with_its_features(field, conv):
    family, f = build(field, conv)
    if family.rotations % 4 == 0:
        z = torch.randn(1, family.width, 7, 7)
        torch.testing.assert_close(f(family.turn(z)), family.turn(f(z)), rtol=0, atol=1e-5)


def test_rate_bounds_growth(field, conv):
    family, f = build(field, conv)
    z = torch.randn(1, family.width, 8, 8)
    d = torch.randn_like(z)
    for _ in range(30):  # towards the direction that grows most
        _, d = torch.func.jvp(f, (z,), (d / d.norm(),))
        d = torch.func.vjp(f, z)[1](d)[0]
    growth = torch.func.jvp(f, (z,), (d / d.norm(),))[1].norm().item()
    assert growth <= 1.001 * f.rate((8, 8))


def test_gradient_flow_is_the_gradient_of_a_potential(conv):
    """f is minus the gradient of sum S(K z + b), S' = s."""
    family, f = build("gradient_flow", conv)
    z = torch.randn(1, family.width, 6, 6, requires_grad=True)
    Kz = f.K(z)
    potential = torch.where(Kz > 0, Kz**2 / 2, 0.01 * Kz**2 / 2).sum()
    torch.testing.assert_close(f(z), -torch.autograd.grad(potential, z)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("over", "nonexpansive"), [(1.99, True), (2.1, False)])
def test_euler_step_is_nonexpansive_just_up_to_its_bound(conv, over, nonexpansive):
    """At the top singular vector with all units active, where random pairs would miss it: h = 1.99 / |K|^2 keeps, 2.1 expands."""
    family, f = build("gradient_flow", conv)
    assert isinstance(f, GradientFlow)
    torch.nn.init.constant_(f.K.bias, 1e3)  # every unit active: s has slope 1
    v = torch.randn(1, family.width, 8, 8)
    for _ in range(300):
        v = f.K.transpose(f.K.linear(v / v.norm()))
    v = v / v.norm()
    h = over / spectral_norm(f.K, (8, 8), iterations=300) ** 2
    growth = torch.func.jvp(lambda z: z + h * f(z), (torch.zeros_like(v),), (v,))[1].norm().item()
    assert growth == pytest.approx(abs(1 - over), abs=5e-3)
    assert (growth <= 1) == nonexpansive
