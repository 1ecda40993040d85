"""The mean over turns is equivariant whatever the model is."""

import pytest
import torch
from conftest import experiment

from ctrecon.errors import InputError
from ctrecon.measure.metrics import equivariance_error
from ctrecon.models.orbit_mean import OrbitMean


def roughened(*words):
    model = experiment("conv=plain", *words).model().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@torch.no_grad()
def test_averaging_makes_an_ordinary_model_equivariant():
    model = roughened()
    y = torch.rand(1, 1, *model.geometry.shape) * 0.1
    assert equivariance_error(model, y, model.geometry.turn) > 1e-2
    assert equivariance_error(OrbitMean(model), y, model.geometry.turn) < 1e-5


@torch.no_grad()
def test_averaging_leaves_an_equivariant_model_as_it_is():
    model = experiment("conv=c4").model().eval()
    y = torch.rand(2, 1, *model.geometry.shape) * 0.1
    torch.testing.assert_close(OrbitMean(model)(y), model(y), atol=1e-5, rtol=1e-5)


def test_a_scan_without_quarter_turns_is_refused():
    with pytest.raises(InputError, match="averaged=true: expected a scan with quarter turns"):
        OrbitMean(experiment("geometry.views=9").model())
