"""A file of an image becomes a sinogram in metres, with the noise of its seed."""

import h5py
import numpy as np
import pytest
import yaml
from conftest import inside, write_slices

from ctrecon.config.compose import compose
from ctrecon.physics.attenuation import to_hu

SIZE = 64
SCAN = ["geometry=tiny", "geometry.bins=64"]


def disc(row: float, column: float, radius: float, value: float, size: int = SIZE) -> np.ndarray:
    """A disc, its places and radius in halves of the image."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    distance = np.hypot(axis[:, None] - row, axis[None, :] - column)
    return (value * np.clip((radius - distance) * size / 2 + 0.5, 0, 1)).astype(np.float32)


@pytest.fixture
def here(tmp_path):
    np.save(tmp_path / "x.npy", disc(-0.2, 0.3, 0.4, 0.25))
    return tmp_path


def scan(here, *words) -> np.ndarray:
    inside("simulate", "out=y.npy", "overwrite=true", *words, cwd=here)
    return np.load(here / "y.npy")


def test_a_ray_through_a_disc_is_as_long_as_its_chord(here):
    """In metres: parallel rays of angle a meet the detector at u = row cos a + column sin a."""
    half = 0.18
    y = scan(here, "image=x.npy", "noise=none", *SCAN)
    angles = np.pi * np.arange(16) / 16
    u = (np.arange(64) - 31.5) * np.sqrt(2) * 2 * half / 64
    middle = half * (-0.2 * np.cos(angles) + 0.3 * np.sin(angles))
    chord = 2 * 0.25 * np.sqrt(np.clip((0.4 * half) ** 2 - (u - middle[:, None]) ** 2, 0, None))
    assert y.shape == (16, 64) and y.dtype == np.float32
    assert np.abs(y - chord).max() < 0.12 * chord.max() and np.abs(y - chord).mean() < 5e-3 * chord.max()
    np.testing.assert_allclose(y.sum(1), chord.sum(1), rtol=1e-2)


def test_hounsfield_units_are_the_same_image(here):
    np.save(here / "hu.npy", to_hu(np.load(here / "x.npy")))
    relative = scan(here, "image=x.npy", "noise=none", *SCAN)
    np.testing.assert_allclose(scan(here, "image=hu.npy", "unit=HU", "noise=none", *SCAN), relative, atol=1e-5)


def test_index_picks_the_image_and_its_noise(here):
    stack = np.stack([disc(0.2 * k, 0.1, 0.3, 0.2) for k in range(3)])
    np.save(here / "stack.npy", stack)
    for index in range(3):
        np.save(here / "one.npy", stack[index])
        without = scan(here, "image=stack.npy", f"index={index}", "noise=none", *SCAN)
        np.testing.assert_array_equal(without, scan(here, "image=one.npy", "noise=none", *SCAN))
    np.save(here / "same.npy", np.stack([stack[0]] * 2))
    first, second = (scan(here, "image=same.npy", f"index={index}", *SCAN) for index in (0, 1))
    assert np.abs(first - second).max() > 1e-4
    np.save(here / "one.npy", stack[0])
    np.testing.assert_array_equal(first, scan(here, "image=one.npy", *SCAN))


def test_slices_say_their_unit(here):
    write_slices(here / "slices.h5", ["A", "B"], size=SIZE)
    with h5py.File(here / "slices.h5") as file:
        np.save(here / "hu.npy", file["images"][1])
    slices = scan(here, "image=slices.h5", "index=1", "noise=none", *SCAN)
    np.testing.assert_allclose(slices, scan(here, "image=hu.npy", "unit=HU", "noise=none", *SCAN), atol=1e-6)


def test_noise_is_that_of_the_seed(here):
    clean = scan(here, "image=x.npy", "noise=none", *SCAN)
    one, again, other, louder = (
        scan(here, "image=x.npy", *SCAN, *words) for words in (["seed=1"], ["seed=1"], ["seed=2"], ["seed=1", "noise.photons=1e3"])
    )
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    errors = [np.sqrt(np.mean((y - clean) ** 2)) for y in (one, other, louder)]
    assert errors[0] == pytest.approx(errors[1], rel=0.1) and errors[2] == pytest.approx(np.sqrt(10) * errors[0], rel=0.15)
    assert np.array_equal(scan(here, "image=x.npy", *SCAN, "seed=3", "noise=none"), clean)


def test_the_geometry_beside_is_that_of_the_words(here):
    inside("simulate", "image=x.npy", "out=y.npz", "geometry=fan_short", "geometry.pixels=16", "geometry.views=30", cwd=here)
    expected = compose(["geometry=fan_short", "geometry.pixels=16", "geometry.views=30"])["geometry"]
    assert yaml.safe_load((here / "y.yaml").read_text()) == {"unit": "metres"} | expected
    with np.load(here / "y.npz") as file:
        assert yaml.safe_load(str(file["geometry"])) == expected and file["sinogram"].shape == (30, 182)


def test_what_is_there_is_not_lost(here, capsys):
    """The image itself, or a file of another kind."""
    (here / "text.npy").write_text("precious")
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    for out in ("x.npy", "./x.npy", "text.npy", "y.jpg", "folder/../x.npy"):
        with pytest.raises(SystemExit) as ended:
            inside("simulate", "image=x.npy", f"out={out}", *SCAN, cwd=here)
        error = capsys.readouterr().err
        assert ended.value.code == 2 and error.startswith("ctrecon: out=") and error.count("\n") == 1
    assert {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()} == before


def test_all_images_of_a_stack_are_scanned_into_a_stack(tmp_path):
    """Each as with its index alone, its noise too."""
    np.save(tmp_path / "stack.npy", np.stack([disc(0, 0, 0.5, 0.2), disc(0.1, 0, 0.3, 0.4)]).astype(np.float32))
    words = ["image=stack.npy", "geometry=tiny", "noise=poisson_10k", "unit=relative"]
    inside("simulate", *words, "index=all", "out=all.npy", cwd=tmp_path)
    both = np.load(tmp_path / "all.npy")
    assert both.shape == (2, 16, 46)
    for k in (0, 1):
        inside("simulate", *words, f"index={k}", f"out={k}.npy", cwd=tmp_path)
        np.testing.assert_array_equal(np.load(tmp_path / f"{k}.npy"), both[k])
    inside("reconstruct", "sinogram=all.npy", "index=all", "model=fbp", "out=x.npy", cwd=tmp_path)
    assert np.load(tmp_path / "x.npy").shape == (2, 32, 32)
