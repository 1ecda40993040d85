"""The memory of training, counted."""

import torch
from conftest import experiment

from ctrecon.measure.cost import bytes_for_backward


def counted(*words):
    model = experiment("conv=plain", *words).model()
    return bytes_for_backward(model, torch.rand(1, 1, *model.geometry.shape))


def test_memory_grows_with_depth_and_width():
    one, two, four = (counted(f"model.iterations={k}") for k in (1, 2, 4))
    assert (four - two) / 2 == (two - one) > 0
    assert counted("conv.channels=32") > 1.5 * counted("conv.channels=16")


def test_reversible_blocks_keep_no_steps():
    words = ["field=hamiltonian", "integrator=leapfrog", "block=reversible", "conv.channels=16"]
    assert counted(*words, "block.steps=8") == counted(*words, "block.steps=2")


def test_parameters_are_not_counted():
    linear = torch.nn.Linear(1000, 1000, bias=False)
    y = torch.rand(1, 1, 1, 1000, requires_grad=True)
    assert bytes_for_backward(linear, y) == 4 * 1000  # the input alone
