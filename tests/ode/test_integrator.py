"""Contract of an integrator, for every member of conf/integrator."""

import functools
from itertools import product

import numpy as np
import pytest
import torch
from conftest import experiment, field_of, fits, state_of

from ctrecon.config.make import make
from ctrecon.errors import InputError
from ctrecon.ode.adaptive import Adaptive
from ctrecon.ode.field import VectorField
from ctrecon.ode.integrator import Tableau
from ctrecon.ode.potential import Potential, Quadratic
from ctrecon.ode.separable import Separable
from ctrecon.ode.splitting import Splitting


class Swing(Potential):
    """-cos q: the pendulum's."""

    def forward(self, z):
        return torch.sin(z)

    def value(self, z):
        return 1 - torch.cos(z).sum((1, 2, 3))

    def rate(self, shape):
        return 1.0


def build(integrator):
    return make("integrator", experiment(f"integrator={integrator}").config["integrator"])


def pendulum():
    return Separable(Quadratic(), Swing())


START = torch.tensor([1.0, 0.5], dtype=torch.float64).reshape(1, 2, 1, 1)


def flow(method, steps, time=1.0, z=START):
    return method.flow([(field := pendulum(), time / steps)] + (steps - 1) * [(field, time / steps)], z)


@functools.cache
def exact():
    """Where the pendulum is at time 1, to rounding."""
    return flow(build("rk4"), 500)


@functools.cache
def smooth_flow(field, activation):
    """A field on features in float64, a state, a time, and where the flow is then: far more exact than 32 steps of any method."""
    torch.manual_seed(0)
    family, f = field_of(field, "c4", f"activation={activation}")
    f = f.double()
    z, time = state_of(family, f, size=4).double(), 1 / f.rate((4, 4))
    with torch.no_grad():
        return f, z, time, build("rk4").flow(128 * [(f, time / 128)], z)


def test_measured_order_is_the_stated_one(integrator):
    """On a smooth field; a method with error control has no order to measure, it keeps its tolerance instead."""
    method = build(integrator)
    reference = exact()
    if isinstance(method, Adaptive):
        assert (flow(method, 1) - reference).norm() < 1e-3
        return
    steps = [16, 32, 64, 128]
    errors = [(flow(method, n) - reference).norm().item() for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(method.order, abs=0.1)


@pytest.mark.parametrize("smooth", ["tanh", "softplus"])
def test_order_on_every_field(smooth, field, integrator):
    """The same on networks: equivariant fields with smooth activations, in float64."""
    method = build(integrator)
    f, z, time, reference = smooth_flow(field, smooth)
    if not fits(integrator, field):
        with pytest.raises(InputError, match=f"integrator={integrator} does not fit field={field}"):
            method.check(f, 2)
        return
    method.check(f, 2)
    end = lambda n: method.flow(n * [(f, time / n)], z)  # noqa: E731
    with torch.no_grad():
        if isinstance(method, Adaptive):
            assert (end(1) - reference).norm() < 1e-3 * reference.norm()
            return
        errors = [(end(n) - reference).norm().item() for n in (16, 32)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(method.order, abs=0.1)


def test_tableau_is_explicit_and_consistent(integrator):
    method = build(integrator)
    if isinstance(method, Tableau):
        assert [len(row) for row in method.a] == list(range(len(method.a)))
        assert sum(method.b) == pytest.approx(1)
    else:
        assert isinstance(method, Splitting | Adaptive)


def test_disk_of_contractivity_is_the_published_one():
    """Dahlquist and Jeltsch: radius 1 for each of these; and a method with a weight of zero has none."""
    for name in ("euler", "heun", "rk4"):
        assert build(name).contractivity == pytest.approx(1)
    midpoint = Tableau(order=2, a=((), (0.5,)), b=(0.0, 1.0))
    assert midpoint.contractivity == 0


def test_step_of_no_length_stands_still(integrator):
    z = torch.randn(1, 2, 3, 3)
    assert torch.equal(build(integrator).step(pendulum(), z, 0.0), z)


def test_flow_is_one_step_after_another(integrator):
    """Also where fields and lengths vary, as they do with weights of their own for each step."""
    method = build(integrator)
    one, other = pendulum(), pendulum()
    other.potential = Quadratic()
    steps = [(one, 0.1), (one, 0.2), (other, 0.1), (one, 0.3)]
    z = START
    for field, h in steps:
        z = method.step(field, z, h)
    torch.testing.assert_close(method.flow(steps, START), z)


def test_one_euler_step_from_rest_is_refused():
    with pytest.raises(InputError, match="field=second_order, which starts at rest"):
        experiment("field=second_order", "integrator=euler").model()
    experiment("field=second_order", "integrator=euler", "block.steps=2").model()


def test_only_splittings_ask_for_a_field_of_two_parts():
    """What fits what, of the members that are shipped, by name."""
    splittings, fields = ("symplectic_euler", "leapfrog"), ("residual", "gradient_flow", "antisymmetric")
    shipped = product(("euler", "heun", "rk4", "adaptive", *splittings), (*fields, "hamiltonian", "second_order"))
    assert {pair for pair in shipped if not fits(*pair)} == set(product(splittings, fields))


def test_misfits_are_refused_by_name(integrator, field):
    method, f = build(integrator), field_of(field, "plain")[1]
    if fits(integrator, field):
        method.check(f, 2)
    else:
        with pytest.raises(InputError, match=f"integrator={integrator} does not fit field={field}"):
            method.check(f, 2)


@pytest.mark.parametrize("splitting", ["symplectic_euler", "leapfrog"])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_steps_can_be_undone(splitting, dtype, close):
    method, field = build(splitting), pendulum()
    z = torch.randn(1, 2, 4, 4, dtype=dtype)
    state = z
    for _ in range(50):
        state = method.step(field, state, 0.1)
    for _ in range(50):
        state = method.undo(field, state, 0.1)
    assert (state - z).norm() < close * z.norm()


def test_symplectic_methods_nearly_keep_the_energy(integrator):
    """400 steps at h = 0.2 over the frequency: within a linear oscillator's swing; explicit Euler runs away."""
    method, field = build(integrator), Separable(Quadratic(), Quadratic())
    z, largest = START, 1.0
    for _ in range(400):
        z = method.step(field, z, 0.2)
        largest = max(largest, (field.energy(z) / field.energy(START)).item())
    if isinstance(method, Splitting):
        assert largest <= method.swing(0.2) + 1e-9
    else:
        assert (largest > 14) == (integrator == "euler")


def test_splittings_keep_the_symplectic_form(integrator):
    """J^T Omega J = Omega for the Jacobian of a step."""
    method, field = build(integrator), pendulum()
    jacobian = torch.autograd.functional.jacobian(
        lambda v: method.step(field, v.reshape(1, 2, 1, 1), 0.3).flatten(), START.flatten()
    )
    omega = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    kept = torch.allclose(jacobian.T @ omega @ jacobian, omega, rtol=0, atol=1e-12)
    assert kept == isinstance(method, Splitting)


def test_adjoint_gradient_is_that_of_the_solver():
    """In training the adjoint equation, in evaluation through the solver: the same to the tolerances."""

    class Oscillator(VectorField):
        def __init__(self):
            super().__init__()
            self.stiffness = torch.nn.Parameter(torch.tensor(1.3, dtype=torch.float64))

        def forward(self, state):
            q, p = state.chunk(2, dim=1)
            return torch.cat([p, -self.stiffness * torch.tanh(q)], dim=1)

        def rate(self, shape):
            return 1.3

    field, method = Oscillator(), Adaptive(rtol=1e-8, atol=1e-9)
    both = []
    for mode in (True, False):
        field.train(mode).zero_grad()
        method.step(field, START, 1.0).square().sum().backward()
        both.append(field.stiffness.grad.item())
    assert both[0] == pytest.approx(both[1], rel=1e-5)


def test_bad_tolerances_are_refused():
    with pytest.raises(InputError, match="tol"):
        Adaptive(rtol=0.0)
