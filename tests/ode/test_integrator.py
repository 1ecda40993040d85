"""Contract of an integrator, for every member of conf/integrator."""

import numpy as np
import pytest
import torch
from conftest import experiment

from ctrecon.build import make


def build(integrator):
    return make(experiment(f"integrator={integrator}").config["integrator"])


def flow(method, steps):
    """A smooth nonlinear oscillator over time 1."""
    z = torch.tensor([1.0, 0.5], dtype=torch.float64).reshape(1, 2, 1, 1)
    field = lambda z: torch.stack([torch.tanh(z[:, 1]) + 0.1, -torch.sin(z[:, 0])], dim=1)  # noqa: E731
    for _ in range(steps):
        z = method.step(field, z, 1.0 / steps)
    return z


def test_measured_order_is_the_stated_one(integrator):
    method = build(integrator)
    reference = flow(build("rk4"), 2000)
    steps = [16, 32, 64, 128]
    errors = [(flow(method, n) - reference).norm().item() for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(method.order, abs=0.1)


def test_tableau_is_explicit_and_consistent(integrator):
    method = build(integrator)
    assert [len(row) for row in method.a] == list(range(len(method.a)))
    assert sum(method.b) == pytest.approx(1)


def test_step_of_no_length_stands_still(integrator):
    z = torch.randn(1, 2, 3, 3)
    assert torch.equal(build(integrator).step(torch.sin, z, 0.0), z)
