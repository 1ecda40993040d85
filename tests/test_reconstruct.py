"""A sinogram file becomes the image that it was made from, in every scan and unit."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from conftest import inside

from ctrecon.config.experiment import model_of
from ctrecon.physics.attenuation import MU_MAX

RUN = Path(__file__).parent / "runs" / "written_before" / "c4"
SMALL = {"fan_htc2022": ["geometry.views=72"], "lodopab": ["geometry.views=90"]}  # others are small
PIXELS = 32
FOV_M = 0.2  # where a geometry is given by hand


def phantom(size: int = 2 * PIXELS) -> np.ndarray:
    """A large disc of 0.2 and a small one of 0.3 on it, neither of them where a turn or a mirror would bring it; smooth edges."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x = np.zeros((size, size), dtype=np.float32)
    for row, column, radius, value in ((0.05, -0.1, 0.65, 0.2), (-0.25, 0.2, 0.25, 0.1)):
        x += value * np.clip((radius - np.hypot(axis[:, None] - row, axis[None, :] - column)) * size / 4 + 0.5, 0, 1)
    return x.astype(np.float32)


TRUTH = phantom().reshape(PIXELS, 2, PIXELS, 2).mean((1, 3))


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with an image."""
    folder = tmp_path_factory.mktemp("scans")
    np.save(folder / "x.npy", phantom())
    return folder


def scan(here: Path, name: str, *words: str) -> np.ndarray:
    inside("simulate", "image=x.npy", f"out={name}", "overwrite=true", "noise=none", *words, cwd=here)
    return np.load(here / name) if name.endswith(".npy") else None


def image(here: Path, *words: str) -> np.ndarray:
    inside("reconstruct", "out=image.npy", "overwrite=true", *words, cwd=here)
    return np.load(here / "image.npy")


def write_geometry(path: Path, **changes) -> None:
    geometry = {"_target_": "ctrecon.physics.parallel.Parallel", "pixels": PIXELS, "fov_m": FOV_M, "views": 24, "bins": 46}
    path.write_text(yaml.safe_dump(geometry | changes))


def test_what_was_simulated_is_reconstructed(here, geometry):
    """In every geometry, without a word on it: it lies beside the sinogram. The image has the truth's values, at its places."""
    scan(here, "y.npy", f"geometry={geometry}", f"geometry.pixels={PIXELS}", *SMALL.get(geometry, []))
    if geometry == "limited_120":  # a third of the lines is missing: filtered back-projection has no chance
        x, tolerance = image(here, "sinogram=y.npy", "model=sirt", "model.iterations=200"), 0.2
    else:
        x, tolerance = image(here, "sinogram=y.npy", "model=fbp"), 0.12
    assert x.shape == TRUTH.shape and x.dtype == np.float32
    assert np.linalg.norm(x - TRUTH) < tolerance * np.linalg.norm(TRUTH)
    for turned in (np.rot90(x), np.rot90(x, 2), np.rot90(x, 3), x.T, x[::-1], x[:, ::-1]):
        assert np.linalg.norm(x - TRUTH) < 0.6 * np.linalg.norm(turned - TRUTH)
    for value, place in ((0.2, (slice(16, 22), slice(10, 18))), (0.3, (slice(10, 14), slice(17, 21)))):
        assert x[place].mean() == pytest.approx(value, rel=0.15 if geometry == "limited_120" else 0.03)


def test_logarithms_are_the_same_measurement(here):
    y = scan(here, "y.npy", "geometry=tiny")
    np.save(here / "log.npy", y * MU_MAX)
    shutil.copy(here / "y.yaml", here / "log.yaml")
    metres = image(here, "sinogram=y.npy", "model=fbp", "unit=metres")
    np.testing.assert_allclose(image(here, "sinogram=log.npy", "model=fbp", "unit=log"), metres, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(image(here, "sinogram=log.npy", "model=fbp", "unit=unknown"), MU_MAX * metres, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("suffix", [".h5", ".npz", ".npy"])
def test_index_and_dataset_pick_the_sinogram(suffix, here):
    y = scan(here, "y.npy", "geometry=tiny")
    stack = np.stack([y, y[::-1], y[:, ::-1]])
    if suffix == ".h5":
        with h5py.File(here / "stack.h5", "w") as file:
            file["other"], file["mine"] = stack[::-1], stack
    elif suffix == ".npz":
        np.savez(here / "stack.npz", other=stack[::-1], mine=stack)
    else:
        np.save(here / "stack.npy", stack)
    (here / "stack.yaml").unlink(missing_ok=True)
    for index in range(3):
        np.save(here / "one.npy", stack[index])
        expected = image(here, "sinogram=one.npy", "model=fbp", "geometry=tiny")
        got = image(here, f"sinogram=stack{suffix}", f"index={index}", "dataset=mine", "model=fbp", "geometry=tiny")
        np.testing.assert_array_equal(got, expected)
    for wrong in ("index=3", "index=-1", "index=null"):
        with pytest.raises(SystemExit):
            image(here, f"sinogram=stack{suffix}", wrong, "dataset=mine", "model=fbp", "geometry=tiny")


@pytest.mark.parametrize("picked", [[5, 0, 7, 22, 11, 3], "::2", "3:20", 6])
def test_of_all_views_of_a_scanner_the_used_ones_are_taken(picked, here):
    """Whether the file holds the scanner's views or the used ones only."""
    write_geometry(here / "whole.yaml")
    inside("simulate", "image=x.npy", "out=whole.npy", "overwrite=true", "noise=none", *_as_words(here / "whole.yaml"), cwd=here)
    y = np.load(here / "whole.npy")
    numbers = (
        picked
        if isinstance(picked, list)
        else list(range(24))[slice(*_bounds(picked))]
        if isinstance(picked, str)
        else range(0, 24, 4)
    )
    np.save(here / "part.npy", y[list(numbers)])
    write_geometry(here / "whole.yaml", views=picked, scan_views=24)
    write_geometry(here / "part.yaml", views=picked, scan_views=24)
    whole, part = (image(here, f"sinogram={name}.npy", "model=cgls", "model.iterations=4") for name in ("whole", "part"))
    np.testing.assert_array_equal(whole, part)
    assert np.corrcoef(whole.ravel(), TRUTH.ravel())[0, 1] > 0.85


def _as_words(path: Path) -> list[str]:
    options = yaml.safe_load(path.read_text())
    return [f"geometry.{key}={value}" for key, value in options.items() if not key.startswith("_")]


def _bounds(text: str) -> list[int | None]:
    return [int(part) if part else None for part in text.split(":")]


def test_a_run_reconstructs_with_its_weights_and_its_scan(here):
    y = scan(here, "y.npy", "geometry=tiny")
    with torch.no_grad():
        expected = model_of(str(RUN), [])[1].eval()(torch.from_numpy(y)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(image(here, "sinogram=y.npy", f"run={RUN}"), expected, rtol=1e-5, atol=1e-6)
    untrained = model_of(None, ["experiment=smoke", "conv=c4"])[1].eval()(torch.from_numpy(y)[None, None]).detach()[0, 0].numpy()
    assert np.abs(untrained - expected).max() > 1e-4


def test_the_sinogram_itself_is_not_written_over(here, capsys):
    scan(here, "y.npy", "geometry=tiny")
    (here / "text.npy").write_text("precious")
    for out in ("y.npy", "./y.npy", "text.npy"):
        assert f"out={out}" in refused(here, capsys, "sinogram=y.npy", f"out={out}", "model=fbp")


def refused(here: Path, capsys, *words: str) -> str:
    before = {path: path.read_bytes() for path in here.iterdir() if path.is_file()}
    with pytest.raises(SystemExit) as ended:
        inside("reconstruct", *words, cwd=here)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.startswith("ctrecon: ") and error.count("\n") == 1
    assert {path: path.read_bytes() for path in here.iterdir() if path.is_file()} == before
    return error


def test_another_scan_than_that_beside_the_sinogram_is_refused_with_what_differs(here, capsys):
    scan(here, "y.npy", "geometry=tiny")
    base = ["sinogram=y.npy", "out=bad.npy", "model=fbp", "geometry=tiny"]
    for word, says in (
        ("geometry.start_deg=1.5", "(view 0 at 0 degrees there, at 1.5 degrees here, 16 of 16 differ)"),
        ("geometry.fov_m=0.3", "fov_m: 0.36 there, 0.3 here"),
        ("geometry.views=8", "(views: 16 there, 8 here)"),
        ("geometry.bin_m=0.02", "(bin_m: 0.0110677583 there, 0.02 here)"),
        ("geometry.offset_m=0.001", "(offset_m: 0 there, 0.001 here)"),
    ):
        assert "y.yaml: another geometry than the one in use" in (error := refused(here, capsys, *base, word)) and says in error
        assert "pixels" not in error and "seen" not in error
    assert "class: Parallel there, Fan here" in refused(here, capsys, *base[:-1], "geometry=fan_short")
    write_geometry(here / "y.yaml", fov_m=0.36, views=16)
    assert (
        "fov_m: 0.36 there" not in (error := refused(here, capsys, *base[:2], f"run={RUN}", "geometry.fov_m=0.2"))
        or "0.2 here" in error
    )
    x = image(here, *base[:1], "model=fbp", "geometry=tiny", "geometry.step_deg=11.25", "geometry.bins=46", "geometry.pixels=16")
    assert x.shape == (16, 16)  # the same rays said otherwise, and pixels of one's own


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pixels: 3\n", "no geometry in the form of conf/geometry"),
        ("- 1\n", "no geometry in the form of conf/geometry"),
        ("_target_: os.system\ncommand: ls\n", "expected a Geometry of ctrecon.physics"),
        ("_target_: ctrecon.physics.parallel.Parallel\npixels: many\n", "geometry.pixels=many: expected a whole number"),
        ("_target_: ctrecon.physics.parallel.Parallel\npixels: [1]\n", "geometry.pixels=[1]: expected a whole number"),
        ("_target_: ctrecon.physics.parallel.Parallel\npixels: 8\n", "missing a required argument"),
        ("_target_: &a ctrecon.physics.parallel.Parallel\nb: *a\n", "anchors"),
        ("[" * 10_000, "level"),
        ("a: '", "not readable YAML"),
    ],
)
def test_a_wrong_geometry_beside_is_named(text, says, here, capsys):
    np.save(here / "odd.npy", np.ones((16, 46), dtype=np.float32))
    (here / "odd.yaml").write_text(text)
    for words in (["model=fbp"], ["model=fbp", "geometry=tiny"], [f"run={RUN}"]):
        error = refused(here, capsys, "sinogram=odd.npy", "out=bad.npy", *words)
        assert says in error and error.startswith("ctrecon: odd.yaml: ")


def test_a_model_that_has_not_learned_is_refused(here, capsys):
    scan(here, "y.npy", "geometry=tiny")
    assert "say run=DIR" in refused(here, capsys, "sinogram=y.npy", "out=bad.npy", "geometry=tiny")


def test_logarithms_taken_for_metres_are_noticed(here, capsys):
    y = scan(here, "y.npy", "geometry=tiny")
    longest = 2**0.5 * 0.36
    for factor, allowed in ((1.9, True), (2.1, False)):
        np.save(here / "y.npy", y / y.max() * factor * longest)
        if allowed:
            image(here, "sinogram=y.npy", f"run={RUN}")
        else:
            assert "unit=log" in refused(here, capsys, "sinogram=y.npy", "out=bad.npy", f"run={RUN}")
            image(here, "sinogram=y.npy", "model=fbp", "unit=unknown")  # is homogeneous: any unit will do


@pytest.mark.parametrize(
    ("word", "says"), [("sinogram=.", "."), ("out=5", "ending in"), ("out=y.jpg", "ending in"), ("device=abc", "expected auto")]
)
def test_odd_files_and_devices_are_refused(word, says, here, capsys):
    scan(here, "y.npy", "geometry=tiny")
    base = [f"{key}={value}" for key, value in {"sinogram": "y.npy", "out": "bad.npy"}.items() if not word.startswith(key)]
    assert says in refused(here, capsys, *base, "model=fbp", "geometry=tiny", word)
