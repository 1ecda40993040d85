"""Shared fixtures. A contract test runs once for every member of a conf/ group.

Tests run in two processes, a file in one of them (`-n 0` for one process), each with one thread.
"""

import copy
import functools
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # also of the processes that tests start
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):  # the processes that tests start would compile torch again, each for 8 seconds
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).parents[1] / ".pytest_cache/bytecode")

import h5py
import numpy as np
import pydicom
import pytest
import torch
from pydicom.data import get_testdata_file

from ctrecon.cli import main
from ctrecon.config.compose import amend, compose
from ctrecon.config.conf import groups, member
from ctrecon.config.experiment import Experiment
from ctrecon.config.make import make, target
from ctrecon.config.words import Words
from ctrecon.conv.convolution import Convolution
from ctrecon.conv.family import ConvFamily
from ctrecon.models.fitting import Fitting
from ctrecon.models.initialisation import isotropic_
from ctrecon.ode.field import VectorField
from ctrecon.ode.separable import Separable
from ctrecon.ode.splitting import Splitting
from ctrecon.physics.ray import RayTransform

torch.set_num_threads(1)
collect_ignore = ["mutation"]  # a tool with a dependency group of its own
SHARED = Path(__file__).parents[2] / "shared" / "data"
LONG = (
    "test_cli",
    "test_descend",
    "test_guarantee",
    "test_notebooks",
    "test_readme",
    "test_reconstruct",
    "test_reproduce",
    "test_sweep",
)
EQUILIBRIUM = [
    "cell=averaged",
    "block=nonexpansive",
    "field=gradient_flow",
    "block.time=10",
    "activation=tanh",
    "model.iterations=20",
]
LEARNED = [name for name in groups()["model"] if target("model", member("model", name)).fitting is Fitting.WEIGHTS]
SMALL = ["conv.channels=16", "data.train_size=3", "data.val_size=2", "data.test_size=2"]


def experiment(*words: str) -> Experiment:
    """An experiment of a few seconds; words come last and win."""
    models = [word for word in words if word.startswith("model=")] or ["model=unrolled"]
    few = {"model=tv": ["model.iterations=20"], "model=unrolled": ["model.iterations=2"], "model=equilibrium": EQUILIBRIUM}
    config, small = _default(models[-1])
    chosen = Words([*few.get(models[-1], []), *words])
    chosen.parsed = small.parsed + chosen.parsed
    return Experiment(amend(copy.deepcopy(config), chosen))


@functools.cache
def _default(model: str) -> tuple[dict, Words]:
    """Composing takes longer than most tests."""
    return compose([model]), Words(["geometry=tiny", *SMALL])


def field_of(field: str, conv: str, *words: str) -> tuple[ConvFamily, VectorField]:
    """A field on features of 16 channels, its filters and biases drawn at random."""
    e = experiment(f"field={field}", f"conv={conv}", *words)
    family = e.family()
    f = make("field", e.config["field"])(family)
    for layer in f.modules():
        if isinstance(layer, Convolution):
            isotropic_(layer)
            torch.nn.init.normal_(layer.bias, std=0.1)
    return family, f


def layers(f: ConvFamily) -> list[Convolution]:
    """A lift, a convolution and a projection of a family, filters and biases drawn at random."""
    made = [f.lift(3), f.conv(), f.project(2)]
    for layer in made:
        isotropic_(layer)
        torch.nn.init.normal_(layer.bias)
    return made


def state_of(family: ConvFamily, f: VectorField, batch: int = 1, size: int = 8) -> torch.Tensor:
    """A random state of a field."""
    z = f.begin(torch.randn(batch, family.width, size, size))
    return z + 0.1 * torch.randn_like(z)


@functools.cache
def fits(integrator: str, field: str) -> bool:
    """Whether an integrator's steps are made for a field: splittings ask for two parts, all others for nothing."""
    return not isinstance(_member("integrator", integrator), Splitting) or isinstance(field_of(field, "c4")[1], Separable)


def _member(group: str, name: str):
    return make(group, experiment(f"{group}={name}").config[group])


def pytest_collection_modifyitems(items):
    """Files that take longest come first, so that the two processes end together."""
    items.sort(key=lambda item: item.path.stem not in LONG)


def pytest_generate_tests(metafunc):
    """A test argument named like a conf group (`geometry`, `field`, ...) takes every member in turn."""
    for group, members in groups().items():
        if group in metafunc.fixturenames:
            metafunc.parametrize(group, members)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Matrices are kept for the session, not in the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTRECON_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _norms_once():
    """The norm of a ray transform takes a hundred products: it is computed once for each scan."""
    known, compute = {}, RayTransform.norm.func

    def norm(A):
        key = repr(A.geometry), type(A.projector), A.projector.place.dtype
        if key not in known:
            known[key] = compute(A)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RayTransform.norm, "func", norm)
        yield


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture
def shared():
    """The folder of a file of real data beside the project; the test skips where it is missing."""

    def find(name: str) -> Path:
        if not (SHARED / name).is_file():
            pytest.skip(f"{name} is not beside the project")
        return SHARED / name

    return find


def write_slices(
    path: Path, patients: list[str], splits: list[str] | None = None, size: int = 64, unit: str = "HU", **extra
) -> Path:
    """An HDF5 file of slices: a body with a bright organ that moves and grows with the row."""
    axis = np.arange(size) - size / 2
    images = np.full((len(patients), size, size), -1000, dtype=np.int16)
    for row, image in enumerate(images):
        image[(axis[:, None] ** 2 + (axis[None, :] * 1.3) ** 2) < (0.4 * size) ** 2] = 20
        image[(axis[:, None] - row % 9) ** 2 + (axis[None, :] - 5) ** 2 < (size / 10 + row % 5) ** 2] = 300 + 40 * (row % 7)
    with h5py.File(path, "w") as file:
        file["images"], file.attrs["unit"] = images, unit
        for name, column in {"patient": patients, "split": splits, **extra}.items():
            if column is not None:
                file[name] = column
    return path


def write_dicom(path: Path, stored: np.ndarray, patient: str = "P", **tags) -> Path:
    """A CT slice as scanners write it: unsigned 16 bit, intercept -1024."""
    file = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    file.PatientID, (file.Rows, file.Columns) = patient, stored.shape
    file.PixelData, file.PixelRepresentation = stored.astype("<u2").tobytes(), 0
    del file.PixelPaddingValue
    for name, value in tags.items():
        file.add_new(name, "US", value) if name == "PixelPaddingValue" else setattr(file, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path)
    return path


def inside(*words, cwd):
    """The same `main` as the console script's, in this process: starting Python and torch takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["ctrecon", *words])
        main()


def devices():
    """The devices there are."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
