"""Models are plain torch modules: they are copied, pickled, sent to other processes, and torch.func works on those that learn."""

import copy
import io
import multiprocessing
import pickle

import pytest
import torch
from conftest import experiment
from torch.func import functional_call, grad, jvp, vjp, vmap

SMALL = ["geometry.pixels=16", "geometry.views=8", "model.iterations=1"]


def saved(model):
    """As torch.save and torch.load give it back."""
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def built(*words):
    e = experiment(*SMALL[: 2 if words[0].startswith("model=") else 3], *words)
    model = e.model().eval()
    for cell in getattr(model, "cells", []):
        cell.scale_correction(300)
    return model, e.geometry.fov_m * torch.rand(2, 1, *e.geometry.shape)


def check_copies(model, y):
    x = model(y)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), saved(model)):
        assert torch.equal(copied(y), x)
        for p, q in zip(model.parameters(), copied.parameters(), strict=True):
            assert p is not q and torch.equal(p, q)


def test_copies_of_every_model_give_the_same_image(model):
    check_copies(*built(f"model={model}"))


def test_copies_of_every_family_give_the_same_image(conv):
    check_copies(*built(f"conv={conv}"))


def test_copies_of_every_field_give_the_same_image(field):
    check_copies(*built(f"field={field}", "block.steps=2", "block.time=0.1"))


@pytest.mark.parametrize("words", [["block=nonexpansive", "field=gradient_flow"], ["integrator=adaptive"], ["normalisation=tv"]])
def test_copies_of_special_parts_give_the_same_image(words):
    check_copies(*built(*words))


def test_a_model_works_in_a_pool_of_processes():
    model, y = built("conv=c4")
    model.requires_grad_(False)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        images = pool.map(model, list(y[:, None]))  # the model itself is sent, once for each sinogram
    torch.testing.assert_close(torch.cat(images), model(y), rtol=1e-4, atol=1e-5)


def check_derivatives(model, y):
    x, direction = model(y), torch.randn_like(y)
    torch.testing.assert_close(vmap(lambda y: model(y[None])[0])(y), x, rtol=1e-4, atol=1e-5)
    image, forward = jvp(model, (y,), (direction,))
    _, backward = vjp(model, y)
    other = torch.randn_like(x)
    torch.testing.assert_close(image, x)
    torch.testing.assert_close((forward * other).sum(), (direction * backward(other)[0]).sum(), rtol=1e-3, atol=1e-5)
    if parameters := dict(model.named_parameters()):
        loss = lambda p: functional_call(model, p, (y,)).square().sum()  # noqa: E731
        model(y).square().sum().backward()
        for name, g in grad(loss)({name: p.detach() for name, p in parameters.items()}).items():
            torch.testing.assert_close(g, parameters[name].grad, rtol=1e-3, atol=1e-5)


def test_torch_func_works_on_every_family(conv):
    """vmap is the batch, jvp and vjp are transposes of each other, and gradients are those of backward."""
    check_derivatives(*built(f"conv={conv}"))


def test_torch_func_works_on_every_field(field):
    check_derivatives(*built(f"field={field}", "block.steps=2", "block.time=0.1"))


@pytest.mark.parametrize("words", [["model=fbp"], ["start=zero"], ["data_term=poisson_likelihood"], ["conv=c4", "projector=astra"]])
def test_torch_func_works_on_other_parts(words):
    check_derivatives(*built(*words))
