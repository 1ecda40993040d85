"""A block is its integrator, step after step."""

import pytest
import torch
from conftest import experiment

from ctrecon.build import make
from ctrecon.errors import InputError
from ctrecon.models.initialisation import isotropic_


def build(integrator, field, *words):
    config = experiment(f"integrator={integrator}", f"field={field}", *words).config
    f = make(config["field"])(make(config["conv"]))
    isotropic_(f.K)
    return make(config["block"], integrator=make(config["integrator"]))(f)


def test_two_steps_are_one_step_twice(integrator, field):
    both, half = (build(integrator, field, f"block.time={t}", f"block.steps={n}") for t, n in ((1.0, 2), (0.5, 1)))
    half.field = both.field
    z = torch.randn(1, 16, 6, 6)
    torch.testing.assert_close(both(z), half(half(z)))


def test_euler_residual_block_is_the_residual_layer():
    block = build("euler", "residual")
    z = torch.randn(1, 16, 6, 6)
    torch.testing.assert_close(block(z), z + torch.nn.functional.leaky_relu(block.field.K(z), 0.01))


def test_no_step_is_refused():
    with pytest.raises(InputError, match="steps"):
        build("euler", "residual", "block.steps=0")
