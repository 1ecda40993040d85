"""The spectral norm, against the matrix itself."""

import pytest
import torch
from conftest import experiment

from ctrecon.build import make
from ctrecon.conv.norm import spectral_norm
from ctrecon.models.initialisation import isotropic_


def test_norm_is_that_of_the_matrix(conv):
    layer = make(experiment(f"conv={conv}").config["conv"]).conv()
    isotropic_(layer)
    width = layer.filter().shape[1]
    columns = layer.linear(torch.eye(width * 20).reshape(-1, width, 4, 5)).flatten(1)
    assert spectral_norm(layer, (4, 5), iterations=300) == pytest.approx(torch.linalg.matrix_norm(columns, 2).item(), rel=1e-2)


def test_norm_grows_with_the_grid(conv):
    layer = make(experiment(f"conv={conv}").config["conv"]).conv()
    isotropic_(layer)
    small, large = (spectral_norm(layer, (n, n)) for n in (6, 24))
    assert small < large
