"""The README tells the truth: its commands run, at a size for tests, and its table lists what there is."""

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import experiment, inside, write_dicom, write_slices

from ctrecon import demo
from ctrecon.cli import VERBS
from ctrecon.config.conf import groups
from ctrecon.disk.yaml_file import as_yaml
from ctrecon.physics.fan import Fan

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.split("&& uv run ")[-1] for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()]
SMALL = {
    "demo": ["steps=2"],
    "reproduce": [
        *("contestants=[plain,c4]", "sizes=[5]", "seeds=[0]", "rates=[1e-3]", "conv.channels=8", "data.val_size=2"),
        *("geometry.pixels=32", "geometry.views=24", "model.iterations=1", "fit.steps=1", "fit.validate_every=1"),
    ],
    "train": ["geometry.pixels=32", "geometry.views=24", "conv.channels=8", "network.levels=1", "fit.steps=2"],
    "simulate": ["geometry.pixels=32", "geometry.views=24"],
    "show": ["geometry.pixels=32", "geometry.views=72"],
}
SMALL_FBP = ["geometry.pixels=32", "geometry.views=24"]


def test_commands_run(tmp_path, monkeypatch):
    """In the README's order, in one folder, with files of the kind that it names."""
    monkeypatch.setattr(demo, "WORDS", [*demo.WORDS, "data.train_size=4", "data.val_size=1", "data.test_size=3"])
    patients = [f"P{k}" for k in range(30)]
    write_slices(tmp_path / "slices.h5", patients, ["train"] * 22 + ["val"] * 3 + ["test"] * 5, size=32)
    write_dicom(tmp_path / "slice.dcm", np.random.default_rng(0).integers(0, 2000, (32, 32)))
    with h5py.File(tmp_path / "htc2022.h5", "w") as file:
        file["sinogram"] = np.random.default_rng(0).random((4, 721, 560), dtype=np.float32)
    tiny = experiment()
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["sinogram"] = 0.02 * np.random.default_rng(0).random((2, *tiny.geometry.shape), dtype=np.float32)
    (tmp_path / "stack.yaml").write_text(f"unit: metres\n{as_yaml(tiny.config['geometry'])}")
    run = [shlex.split(line) for line in COMMANDS if line.startswith("ctrecon ")]
    assert {words[1] for words in run} == set(VERBS)
    for _, verb, *words in run:
        extra = SMALL.get(verb, [])
        if verb == "evaluate":
            extra = ["certificate=false"]
        if "model=tv" in words:
            extra = [*SMALL_FBP, "model.iterations=5", "data.val_size=1"]
        if "model=fbp" in words:
            extra = SMALL_FBP if "geometry=sparse_50" in words else ["geometry.pixels=32", "geometry.views=24"]
        inside(verb, *words, *extra, cwd=tmp_path)
    produced = [
        "comparison/report.html",
        "comparison/contestants.pdf",
        "runs/laptop/figure_sizes/sizes.png",
        "comparison/comparison.md",
        "image.png",
        "image.npy",
        "images/1.dcm",
        "disc.npy",
        "runs/demo/ct_slice.png",
    ]
    assert all((tmp_path / name).is_file() for name in produced)
    monkeypatch.chdir(tmp_path)
    for example in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        found = {"sinogram": np.load("sinogram.npy")}
        exec(example, found)
        assert found["image"].shape == (32, 32)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_commands_mean_the_same_in_every_shell(shell, tmp_path):
    """As printed: no bracket or star that a shell takes for a pattern, or refuses. The shell runs them; a program that prints its words stands for ours."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    for name in ("ctrecon", "uv", "pip"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text('#!/bin/sh\nprintf "%s\\n" "$(basename "$0")" "$@"\n')
        program.chmod(0o755)
    (tmp_path / "folder").mkdir()
    inline = re.findall(r"`(ctrecon (?:[^`]|\n)*?=[^`]*?)`", README)
    inline = [one for one in map(" ".join, map(str.split, inline)) if "..." not in one and "|" not in one]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()] + inline
    assert len(inline) >= 2
    for line in lines:
        environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
        options = ["-f"] if shell == "zsh" else ["--norc"]
        done = subprocess.run(
            [shell, *options, "-c", line], cwd=tmp_path / "folder", env=environment, capture_output=True, text=True
        )
        said = [words for part in line.split("&&") for words in shlex.split(part, comments=True)]
        assert done.returncode == 0 and done.stderr == "" and done.stdout.splitlines() == said, line


def test_the_scan_lies_as_it_says():
    """At 0 degrees the source is left, at 90 below; a positive offset moves the detector down, then right. Coordinates are (row, column)."""
    fan, shifted = (Fan(pixels=8, fov_m=0.1, views=2, angles_deg=[0, 90], offset_m=offset) for offset in (0.0, 0.01))
    np.testing.assert_allclose(fan.sources(), [[0, -0.5], [0.5, 0]], atol=1e-12)
    np.testing.assert_allclose(shifted.frames()[:, 1] - fan.frames()[:, 1], [[0.01, 0], [0, 0.01]], atol=1e-12)
    assert (fan.frames()[:, -1].round(9) >= 0).all()  # towards higher bins: down, then right
    assert "counter-clockwise" in README


def test_set_up_commands_come_first():
    assert COMMANDS[:2] == ["ctrecon demo", "uv run pytest"] and "pip install uv && uv run ctrecon demo" in README
    assert "uv run pytest" in (ROOT / ".ci/run").read_text()


def test_every_member_is_named():
    for group, members in groups().items():
        for member in members:
            assert f"`{group}`" in README and re.search(rf"\b{member}\b", README), f"{group}={member}"


def test_requirements_pin_what_the_project_asks_for():
    pinned = {line.split("==")[0].lower() for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [re.match("[a-z0-9-]+", line)[0] for line in project["dependencies"]]
    assert set(asked) - {"numpy"} <= pinned and not {"py3nj", "lie-learn"} & pinned


def test_wheel_contains_the_configuration_and_the_zoo(tmp_path):
    if not shutil.which("uv"):
        pytest.skip("uv is not installed")
    subprocess.run(["uv", "build", "--wheel", "--out-dir", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    import zipfile

    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"ctrecon/{p.relative_to(ROOT)}" for p in (ROOT / "conf").rglob("*.yaml")} <= names
    shipped = [path for path in (ROOT / "ctrecon/runs/shipped").rglob("*") if path.is_file()]
    assert shipped and {str(path.relative_to(ROOT)) for path in shipped} <= names
