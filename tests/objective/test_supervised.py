"""Errors of images."""

import math

import pytest
import torch

from ctrecon.errors import InputError
from ctrecon.objective.supervised import ERRORS, Supervised


def test_errors_are_what_they_are_called():
    truths = torch.rand(2, 1, 5, 5)
    images = truths + torch.tensor([0.1, -0.01])[:, None, None, None]
    assert ERRORS["squared"](images, truths).item() == pytest.approx((0.01 + 0.0001) / 4, rel=1e-4)
    assert ERRORS["absolute"](images, truths).item() == pytest.approx(0.055, rel=1e-4)
    assert ERRORS["logarithm"](images, truths).item() == pytest.approx((math.log(0.01) + math.log(0.0001)) / 2, rel=1e-4)


def test_the_logarithm_has_no_unit_and_no_image_decides_alone():
    truths, errors = torch.rand(2, 1, 5, 5), 0.1 * torch.rand(2, 1, 5, 5)
    sizes = torch.tensor([10.0, 1.0])[:, None, None, None]

    def pull(factor):
        images = (factor * (truths + sizes * errors)).requires_grad_()
        return factor * torch.autograd.grad(ERRORS["logarithm"](images, factor * truths), images)[0]

    torch.testing.assert_close(pull(1.0), pull(128.0), rtol=1e-4, atol=0)
    moved = (pull(1.0) * sizes * errors).sum((1, 2, 3))
    assert moved[0].item() == pytest.approx(moved[1].item(), rel=1e-4)


def test_another_error_is_refused():
    with pytest.raises(InputError, match=r"objective\.error=cubed: expected one of squared, absolute, logarithm"):
        Supervised("cubed")
