"""What `ctrecon show` says of a model is true."""

import pytest
import torch
from conftest import experiment

from ctrecon.show import describe, multiplications


def built(*words):
    e = experiment(*words)
    return e.model().eval(), e.geometry.fov_m * torch.rand(2, 1, *e.geometry.shape)


@pytest.mark.parametrize(
    ("words", "uses"),
    [
        (["conv=plain"], 1),
        (["conv=c4", "conv.kernel=5", "block.steps=3"], 3),
        (["conv=p4", "geometry=fan_htc2022", "geometry.views=72", "geometry.pixels=24"], 1),
        (["field=antisymmetric", "integrator=heun"], 4),  # K and its transpose, twice a step
    ],
)
def test_multiplications_are_those_of_the_convolutions(words, uses):
    """A filter of n numbers takes n at each pixel. Projections, filters' bases and what the first use makes do not count."""
    model, y = built(*words)
    model(y)
    numbers = sum(
        layer.filter().numel() * times
        for cell in model.cells
        for layer, times in ((cell.network.lift, 1), (cell.network.project, 1), (cell.network.blocks[0].field.K, uses))
    )
    assert multiplications(model, y) == len(y) * model.geometry.pixels**2 * numbers


def test_a_classical_model_has_none():
    model, y = built("model=fbp")
    assert multiplications(model, y) == 0 and "multiplications" not in describe(model)
