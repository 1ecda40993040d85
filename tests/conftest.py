"""Shared fixtures. A contract test runs once for every member of a conf/ group."""

from pathlib import Path

import pytest
import torch

from ctrecon.build import Experiment, compose, groups, plain

SHARED = Path(__file__).parents[2] / "shared" / "data"
SMALL = ["geometry.pixels=32", "conv.channels=16", "data.train_size=3", "data.val_size=2", "data.test_size=2"]


def experiment(*words: str) -> Experiment:
    """An experiment of a few seconds; words come last and win."""
    return Experiment(plain(compose(["geometry=tiny", *SMALL, "model.iterations=2", *words])))


def pytest_generate_tests(metafunc):
    """A test argument named like a conf group (`geometry`, `field`, ...) takes every member in turn."""
    for group, members in groups().items():
        if group in metafunc.fixturenames:
            metafunc.parametrize(group, members)


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


def devices():
    """The devices there are."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
