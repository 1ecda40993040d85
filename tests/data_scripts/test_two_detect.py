"""2DeteCT: from counts to sinograms in ctrecon's geometry, against ASTRA used as the authors published."""

import astra
import h5py
import numpy as np
import pytest
import tifffile
import torch
import yaml

from ctrecon.physics.fan import Fan
from ctrecon.physics.ray import RayTransform

VIEWS, BINS = 3600, 1912
EVERY = 120  # views that the tests look at
FLAT, DARK = 50_000, 100
SMALL = 128  # pixels of the phantom


def phantom():
    """Attenuation in 1/m: smooth blobs that no turn or mirror image maps onto each other."""
    axis = (np.arange(SMALL) + 0.5) / SMALL * 2 - 1
    x = np.zeros((SMALL, SMALL))
    for row, column, width, value in ((-0.3, 0.2, 0.15, 20), (0.35, 0.1, 0.1, 35), (0.0, -0.4, 0.12, 15)):
        x += value * np.exp(-((axis[:, None] - row) ** 2 + (axis[None, :] - column) ** 2) / 2 / width**2)
    return x


def published_projections():
    """-log(I / I0) of each raw pixel, by ASTRA, in the authors' units: voxels of the reconstruction, angle 0 first, no flip.

    Their image of 1024 is rows and columns 511 to 1534 of 2048. Here eight voxels make one: the image's edges lie 513 voxels above and
    to the left of the centre of rotation, 511 below and to the right.
    """
    voxel_mm = 956 * 0.1496 * 431.019989 / 529.000488 / 1024
    volume = astra.create_vol_geom(SMALL, SMALL, -513, 511, -511, 513)
    angles = np.linspace(0, 2 * np.pi, VIEWS + 1)[:-1:EVERY]
    distances = (431.019989 / voxel_mm, (529.000488 - 431.019989) / voxel_mm)
    scan = astra.create_proj_geom("fanflat", 0.0748 / voxel_mm, BINS, angles, *distances)
    projector = astra.create_projector("line_fanflat", scan, volume)
    number, sinogram = astra.create_sino(phantom() * voxel_mm / 1000, projector)
    astra.data2d.delete(number)
    astra.projector.delete(projector)
    return sinogram


def write_slice(folder, number, log, mode=2, shift=0):
    """A slice as in the archives, every view that is not looked at left at the flat field."""
    where = folder / f"slice{number:05d}" / f"mode{mode}"
    where.mkdir(parents=True)
    gain = 1 + 0.1 * np.sin(np.arange(BINS) / 7)
    counts = np.tile(FLAT * gain, (VIEWS + 1, 1))
    if log is not None:
        moved = np.pad(log, ((0, 0), (shift, 0)), mode="edge")[:, :BINS]
        counts[:-1:EVERY] *= np.exp(-moved)
    for name, image in {"sinogram": counts, "flat1": 0.98 * FLAT * gain[None], "flat2": 1.02 * FLAT * gain[None]}.items():
        tifffile.imwrite(where / f"{name}.tif", np.rint(image + DARK).astype(np.uint16), compression="zlib")
    tifffile.imwrite(where / "dark.tif", np.full((1, BINS), DARK, dtype=np.uint16))
    return where


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The phantom measured with both positions of the detector."""
    folder = tmp_path_factory.mktemp("2DeteCT")
    log = published_projections()
    write_slice(folder / "2DeteCT_slices2001-3000", 2830, log, shift=2)
    write_slice(folder / "2DeteCT_slices2001-3000", 2831, log)
    return folder


def geometry_of(path, **other):
    with h5py.File(path) as file:
        told = yaml.safe_load(file.attrs["geometry"])
    assert told.pop("_target_") == "ctrecon.physics.fan.Fan"
    return Fan(**told | other)


def test_sinograms_are_the_phantoms_in_our_geometry(script, archive, tmp_path):
    """Of the four ways to cut out the image, the published one is the nearest; the shifted detector makes no difference."""
    script("two_detect", archive, "--out", tmp_path / "a.h5", "--views-every", EVERY)
    with h5py.File(tmp_path / "a.h5") as file:
        y = file["sinogram"][:]
        assert file["patient"][:].tolist() == [b"slices 02801-02900"] * 2 and file["sinogram"].attrs["unit"] == "log"
    assert y.shape == (2, 30, 956) and np.abs(y[0] - y[1])[:, :-2].max() < 1e-3
    x = torch.from_numpy(phantom())[None, None].float()
    pixel_m = geometry_of(tmp_path / "a.h5").pixel_m

    def error(row, column, **other):
        geometry = geometry_of(tmp_path / "a.h5", pixels=SMALL, centre_m=[row * pixel_m, column * pixel_m], **other)
        return np.linalg.norm(RayTransform(geometry)(x)[0, 0].numpy() - y[1]) / np.linalg.norm(y[1])

    assert geometry_of(tmp_path / "a.h5").centre_m == (-pixel_m, -pixel_m)
    assert error(-1, -1) < 1e-3
    assert 3 * error(-1, -1) < min(error(1, 1), error(-1, 1), error(1, -1))
    assert error(-1, -1, start_deg=-90.0) > 0.3


def test_binning_and_views(script, archive, tmp_path):
    for bins, name in ((1, "a"), (4, "b")):
        script(
            "two_detect",
            archive,
            "--out",
            tmp_path / f"{name}.h5",
            "--views-every",
            EVERY,
            "--bin-by",
            bins,
            "--slices",
            "2831:2832",
        )
    with h5py.File(tmp_path / "a.h5") as fine, h5py.File(tmp_path / "b.h5") as coarse:
        np.testing.assert_allclose(coarse["sinogram"][0], fine["sinogram"][0].reshape(30, 478, 4).mean(2), atol=2e-3)
    fine, coarse = (geometry_of(tmp_path / f"{name}.h5") for name in "ab")
    assert fine.bins * fine.bin_m == pytest.approx(coarse.bins * coarse.bin_m) and coarse.shape == (30, 478)
    np.testing.assert_allclose(np.rad2deg(coarse.angles_rad[:2]), [90, 102])


def test_first_position_of_the_detector_is_of_its_slices_only(module, tmp_path):
    """A ramp along the bins, whose rows come shifted or not."""
    where = write_slice(tmp_path, 1, None)
    counts = np.tile(np.arange(BINS) + 1000.0, (VIEWS + 1, 1))
    tifffile.imwrite(where / "sinogram.tif", counts.astype(np.uint16), compression="zlib")
    for name in ("flat1", "flat2"):
        tifffile.imwrite(where / f"{name}.tif", np.full((1, BINS), FLAT + DARK, dtype=np.uint16))
    for number, shift in ((1, 2), (2830, 2), (2831, 0), (5520, 0), (5521, 2), (5870, 2), (5871, 0)):
        row = module("two_detect").read_sinogram(where / "sinogram.tif", number, VIEWS, 1)[0]
        expected = -np.log((np.minimum(np.arange(BINS) + shift, BINS - 1) + 1000.0 - DARK) / FLAT)
        np.testing.assert_allclose(row, expected)


def test_objects_are_of_consecutive_slices(script, tmp_path):
    for number in (99, 100, 101):
        write_slice(tmp_path / "in", number, None)
    words = ("two_detect", tmp_path / "in", "--views-every", 3600)
    script(*words, "--out", tmp_path / "a.h5")
    script(*words, "--out", tmp_path / "b.h5", "--per-object", 50, "--slices", "100:102")
    for name, expected in (
        ("a", [b"slices 00001-00100"] * 2 + [b"slices 00101-00200"]),
        ("b", [b"slices 00051-00100", b"slices 00101-00150"]),
    ):
        with h5py.File(tmp_path / f"{name}.h5") as file:
            assert file["patient"][:].tolist() == expected


def test_references_of_the_other_archive(script, tmp_path):
    """They go in where all slices have one."""
    for number in (4001, 4002):
        write_slice(tmp_path / "in" / "2DeteCT_slices4001-5000", number, None, mode=1)
    image = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    words = ("two_detect", tmp_path / "in", "--mode", 1, "--views-every", EVERY)
    for number in (4001, 4002):
        where = tmp_path / "in" / "2DeteCT_slices4001-5000_RecSeg" / f"slice{number:05d}" / "mode2"
        where.mkdir(parents=True)
        tifffile.imwrite(where / "reconstruction.tif", image)
        script(*words, "--out", tmp_path / f"{number}.h5")
    with h5py.File(tmp_path / "4001.h5") as partly, h5py.File(tmp_path / "4002.h5") as all_of_them:
        assert "reference" not in partly and all_of_them["reference"].attrs["unit"] == "attenuation"
        np.testing.assert_allclose(all_of_them["reference"][1], image / geometry_of(tmp_path / "4002.h5").pixel_m, rtol=1e-5)


def test_dead_pixels_stay_finite(script, tmp_path):
    where = write_slice(tmp_path / "in", 5000, None)
    counts = tifffile.imread(where / "sinogram.tif")
    counts[:, 100:102] = 0
    tifffile.imwrite(where / "sinogram.tif", counts)
    script("two_detect", tmp_path / "in", "--out", tmp_path / "a.h5", "--views-every", EVERY)
    with h5py.File(tmp_path / "a.h5") as file:
        y = file["sinogram"][0]
    assert (
        np.isfinite(y).all()
        and y[:, 50].min() == pytest.approx(np.log(2 * FLAT), abs=0.2)
        and np.abs(np.delete(y, 50, 1)).max() < 1e-3
    )


def test_bad_folders_are_refused(refused, archive, tmp_path):
    out = tmp_path / "a.h5"
    assert "no such folder" in refused("two_detect", tmp_path / "none", "--out", out, leaves_no=out)
    assert "mode3" in refused("two_detect", archive, "--mode", 3, "--out", out, leaves_no=out)
    assert "divisor of 3600" in refused("two_detect", archive, "--views-every", 7, "--out", out, leaves_no=out)
    assert "A:B" in refused("two_detect", archive, "--slices", "3", "--out", out, leaves_no=out)
    where = write_slice(tmp_path / "in", 1, None)
    whole = (where / "sinogram.tif").read_bytes()
    (where / "sinogram.tif").write_bytes(whole[: len(whole) // 2])
    assert "sinogram.tif" in refused("two_detect", tmp_path / "in", "--out", out, leaves_no=out)
    (where / "sinogram.tif").write_bytes(whole)
    (where / "dark.tif").unlink()
    assert "dark.tif" in refused("two_detect", tmp_path / "in", "--out", out, leaves_no=out)
    tifffile.imwrite(where / "dark.tif", np.full((1, BINS), 60_000, dtype=np.uint16))
    assert "above the dark field" in refused("two_detect", tmp_path / "in", "--out", out, leaves_no=out)
    tifffile.imwrite(where / "dark.tif", np.zeros((1, 50), dtype=np.uint16))
    assert "(1, 50)" in refused("two_detect", tmp_path / "in", "--out", out, leaves_no=out)


def test_shape_is_compared_before_pixels_are_read(refused, tmp_path, monkeypatch):
    """A dark field of 5,000 rows: no more than the sinogram's are expected."""
    where = write_slice(tmp_path / "in", 1, None)
    tifffile.imwrite(where / "dark.tif", np.zeros((5000, BINS), dtype=np.uint16), compression="zlib")
    out, read = tmp_path / "a.h5", []
    asarray = tifffile.TiffPageSeries.asarray
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", lambda self, *given: read.append(self.shape) or asarray(self, *given))
    assert "dark.tif: of shape (5000, 1912)" in refused("two_detect", tmp_path / "in", "--out", out, leaves_no=out)
    assert read == [(VIEWS + 1, BINS)]  # the sinogram's only


def test_runs_as_a_program(program, archive, tmp_path):
    assert "1 rows of 1 patients" in program(
        "two_detect", archive, "--out", tmp_path / "a.h5", "--views-every", 1200, "--slices", "2831:2832"
    )
