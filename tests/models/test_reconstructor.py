"""`ctrecon.load(run)(sinogram)`: the same image for every kind of array, as the command line writes it."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import inside

import ctrecon
from ctrecon.errors import InputError

WORDS = ["geometry=tiny", "geometry.pixels=16", "geometry.views=8", "data.train_size=2", "data.val_size=1"]
LEARNED = ["conv.channels=8", "model.iterations=1", "fit.steps=2", "fit.validate_every=2"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")
    inside("train", *WORDS, *LEARNED, "run_dir=learned", cwd=folder)
    inside("train", *WORDS, "model=tikhonov", "run_dir=tuned", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def reconstruct(here):
    return ctrecon.load(here / "learned", device="cpu")


@pytest.fixture
def y(reconstruct):
    return 0.1 * np.random.default_rng(0).random((3, *reconstruct.geometry.shape), dtype=np.float32)


@pytest.mark.parametrize("name", ["learned", "tuned"])
def test_the_image_is_that_of_the_command_line(name, here, y):
    np.save(here / "y.npy", y[0])
    inside("reconstruct", f"run={name}", "sinogram=y.npy", f"out={name}.npy", "unit=metres", cwd=here)
    np.testing.assert_array_equal(ctrecon.load(str(here / name), device="cpu")(y[0]), np.load(here / f"{name}.npy"))


def test_arrays_come_back_as_they_went_in(reconstruct, y):
    x = reconstruct(y[0])
    assert isinstance(x, np.ndarray) and x.shape == (16, 16) and x.dtype == np.float32 and x.std() > 0
    for sinogram in (y, y[:, None], y.astype(np.float64), np.asfortranarray(y), y[:, ::-1][:, ::-1]):
        images = reconstruct(sinogram)
        assert images.dtype == sinogram.dtype and images.shape == (*sinogram.shape[:-2], 16, 16)
        np.testing.assert_allclose(images.reshape(3, 16, 16)[0], x, rtol=1e-4, atol=1e-5)
        tensor = torch.from_numpy(sinogram.copy())
        assert reconstruct(tensor).dtype == tensor.dtype and reconstruct(tensor).shape == images.shape
        np.testing.assert_allclose(reconstruct(tensor).detach().numpy(), images, rtol=1e-4, atol=1e-5)
    whole = np.arange(np.prod(reconstruct.geometry.shape), dtype=np.int16).reshape(reconstruct.geometry.shape)
    assert reconstruct(whole).dtype == np.float32 and np.array_equal(reconstruct(whole), reconstruct(whole.astype(np.float32)))


def test_tensors_have_gradients(reconstruct, y):
    tensor = torch.from_numpy(y).requires_grad_()
    reconstruct(tensor).sum().backward()
    assert tensor.grad.any()


def test_nothing_that_goes_in_is_changed(reconstruct, y):
    before = y.copy()
    reconstruct(y)
    assert np.array_equal(y, before)


@pytest.mark.parametrize(
    ("sinogram", "says"),
    [
        (np.zeros((3, 4), np.float32), "3 views x 4 bins, the geometry has 8 x 23"),
        (np.zeros(4, np.float32), "shape (4,)"),
        (torch.zeros(1, 2, 8, 23), "shape (1, 2, 8, 23)"),
        (np.zeros((8, 23), complex), "real numbers"),
        (np.zeros((8, 23), bool), "real numbers"),
        (np.array([["a"]]), "real numbers"),
        (torch.zeros(8, 23, dtype=torch.bool), "real numbers"),
        (np.full((8, 23), np.nan, np.float32), "finite"),
        (np.full((8, 23), 1e300), "finite"),
    ],
)
def test_what_is_no_sinogram_is_refused(reconstruct, sinogram, says):
    assert reconstruct.geometry.shape == (8, 23)
    with pytest.raises(InputError) as refused:
        reconstruct(sinogram)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_no_array_is_refused(reconstruct):
    unchecked = type(reconstruct).__call__.__wrapped__  # annotations are checked in the tests only
    with pytest.raises(InputError, match="of type list"):
        unchecked(reconstruct, [[1.0]])


def test_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="run folder"):
        ctrecon.load(tmp_path)


def test_importing_ctrecon_imports_nothing_slow():
    code = "import sys, ctrecon; print(ctrecon.__version__, *{'torch', 'numpy', 'hydra', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ctrecon.__version__ and ctrecon.__version__[0].isdigit()
