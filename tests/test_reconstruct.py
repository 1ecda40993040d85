"""A sinogram file becomes the image that it was made from, in every scan and unit."""

import json
import shutil
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
import torch
import yaml
from conftest import inside, write_dicom

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


FBP = ["model=fbp", "geometry=tiny"]


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


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".nii.gz"])
def test_every_format_of_stacks_holds_all_images(suffix, here, capsys):
    y = scan(here, "y.npy", "geometry=tiny", "noise=poisson_10k")
    np.save(here / "two.npy", np.stack([y, 2 * y]))
    (here / "two.yaml").unlink(missing_ok=True)
    inside("reconstruct", "sinogram=two.npy", "index=all", *FBP, f"out=two_images{suffix}", "unit=metres", cwd=here)
    assert capsys.readouterr().out.count("written: two_images") == 1
    path = here / f"two_images{suffix}"
    images = {
        ".npy": lambda: np.load(path),
        ".tif": lambda: tifffile.imread(path),
        ".nii.gz": lambda: nibabel.load(path).get_fdata().transpose(2, 1, 0),
    }[suffix]()
    for k in (0, 1):
        np.testing.assert_allclose(images[k], image(here, "sinogram=two.npy", f"index={k}", "unit=metres", *FBP), rtol=1e-6)


@pytest.mark.parametrize("suffix", [".png", ".dcm"])
def test_formats_of_one_image_refuse_a_stack(suffix, here, capsys):
    np.save(here / "two.npy", np.ones((2, 16, 46)))
    with pytest.raises(SystemExit):
        inside("reconstruct", "sinogram=two.npy", "index=all", *FBP, f"out=no{suffix}", "unit=metres", cwd=here)
    assert "or index=0" in capsys.readouterr().err and not (here / f"no{suffix}").exists()


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
    inside(
        "reconstruct", f"sinogram=stack{suffix}", "index=all", "dataset=mine", "model=fbp", "geometry=tiny", "out=all.h5",
        "overwrite=true", cwd=here,
    )  # fmt: skip
    with h5py.File(here / "all.h5") as file:
        np.testing.assert_array_equal(file["image"][1], image(here, f"sinogram=stack{suffix}", "index=1", "dataset=mine", *FBP))
        assert file["image"].shape == (3, PIXELS, PIXELS) and file["image"].attrs["pixel_m"] == pytest.approx(0.36 / PIXELS)
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
    assert "say run=DIR" in refused(here, capsys, "sinogram=y.npy", "out=bad.npy", "geometry=tiny", "model=unrolled")


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


def test_without_a_geometry_one_is_asked_for_and_those_that_fit_are_named(here, capsys):
    np.save(here / "bare.npy", np.ones((50, 182), dtype=np.float32))
    error = refused(here, capsys, "sinogram=bare.npy", "out=bad.npy", "model=fbp")
    assert (
        "50 x 182 values and no geometry" in error and "geometry=NAME (of this shape: sparse_50)" in error and "bare.yaml" in error
    )
    np.save(here / "bare.npy", np.ones((50, 91), dtype=np.float32))
    for words in ([], ["geometry.pixels=32"]):
        error = refused(here, capsys, "sinogram=bare.npy", "out=bad.npy", "model=fbp", *words)
        assert "none of conf/geometry has this shape" in error


def test_the_geometry_in_use_is_said(here, capsys):
    scan(here, "y.npy", "geometry=tiny")
    for words, says in (
        (["model=fbp"], "geometry: y.yaml, 16 views x 46 bins, an image of 0.36 m"),
        (["model=fbp", "geometry=tiny"], "geometry: tiny, which is that of y.yaml"),
        ([f"run={RUN}"], f"geometry: that of {RUN}, which is that of y.yaml"),
        (["model=fbp", "geometry.pixels=16"], "geometry: y.yaml, changed by geometry.pixels=16, 16 views x 46 bins"),
    ):
        image(here, "sinogram=y.npy", *words)
        assert says in capsys.readouterr().out


def test_a_transposed_sinogram_is_recognised(here, capsys):
    y = scan(here, "y.npy", "geometry=tiny")
    np.save(here / "y.npy", y.T)
    assert "transpose it" in refused(here, capsys, "sinogram=y.npy", "out=bad.npy", "model=fbp")


def test_angles_in_radians_are_recognised(here, capsys):
    y = scan(here, "y.npy", "geometry=tiny")
    np.save(here / "r.npy", y)
    write_geometry(here / "r.yaml", views=None, angles_deg=np.linspace(0, np.pi, 16, endpoint=False).tolist())
    error = refused(here, capsys, "sinogram=r.npy", "out=bad.npy", "model=fbp")
    assert "r.yaml: geometry.angles_deg: 16 angles from 0 to 2.945: are these radians? expected degrees (up to 168.8)" in error
    write_geometry(
        here / "r.yaml", views=None, angles_deg=(np.linspace(0, 180, 16, endpoint=False) + 0.5 * (np.arange(16) == 3)).tolist()
    )
    error = refused(here, capsys, "sinogram=r.npy", "out=bad.npy", "model=fbp", "geometry=tiny")
    assert "(view 3 at 34.25 degrees there, at 33.75 degrees here, 1 of 16 differ)" in error and "fov_m" not in error


HTC = ["sinogram=htc.h5", "index=1", "model=fbp", "geometry=fan_htc2022", "geometry.views=72", f"geometry.pixels={PIXELS}"]


@pytest.fixture(scope="module")
def measured(here):
    """As the challenge's data come: -log(I/I0), and nothing that says so; a disc of water of 45 mm."""
    u = 0.0002 * (np.arange(560) - 279.5)
    distance = 0.41066 * u / np.hypot(u, 0.55374)  # of a ray to the centre, about which the disc is the same from all sides
    chord = 2 * np.sqrt(np.clip(0.0225**2 - distance**2, 0, None))
    with h5py.File(here / "htc.h5", "w") as file:
        file["sinogram"] = np.stack([np.zeros((721, 560)), np.tile(20 * chord, (721, 1))]).astype(np.float32)
    return here


def test_hounsfield_units_are_never_guessed(measured, tmp_path, capsys):
    """The command that wrote a saturated file without a word."""
    with pytest.raises(SystemExit) as ended:
        inside("reconstruct", *HTC, "device=cpu", f"out={tmp_path / 'disc.dcm'}", cwd=measured)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1 and not list(tmp_path.iterdir())
    assert "does not say its unit, and out=*.dcm holds Hounsfield units: say unit=log" in error


def test_with_the_unit_water_is_0_hu(measured, tmp_path):
    inside("reconstruct", *HTC, "unit=log", f"out={tmp_path / 'disc.dcm'}", cwd=measured)
    file = pydicom.dcmread(tmp_path / "disc.dcm")
    hu = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
    assert abs(hu[12:20, 12:20].mean()) < 15 and abs(hu[:4].mean() + 1000) < 60
    assert file.PixelSpacing[0] == pytest.approx(1000 * 0.0759410265 / PIXELS)


def test_data_that_say_their_unit_need_no_word(measured, tmp_path):
    with h5py.File(measured / "htc.h5") as file, h5py.File(tmp_path / "htc.h5", "w") as copy:
        copy["sinogram"] = file["sinogram"][:]
        copy["sinogram"].attrs["unit"] = "log"
    inside("reconstruct", *HTC, "out=disc.npy", cwd=tmp_path)
    assert np.load(tmp_path / "disc.npy")[12:20, 12:20].mean() == pytest.approx(20 / MU_MAX, rel=0.02)
    assert json.loads((tmp_path / "disc.npy.json").read_text())["unit"] == "relative"


def test_of_an_unknown_unit_comes_an_image_of_an_unknown_unit(measured, tmp_path, capsys):
    inside("reconstruct", *HTC, f"out={tmp_path / 'disc.npy'}", cwd=measured)
    assert json.loads((tmp_path / "disc.npy.json").read_text())["unit"] == "unknown"
    assert "is not known, and that of the image neither: say unit=log" in capsys.readouterr().out
    assert np.load(tmp_path / "disc.npy")[12:20, 12:20].mean() == pytest.approx(20, rel=0.02)  # 1/m, as logarithms give


def test_a_model_that_needs_the_unit_says_what_it_assumes(here, capsys):
    y = scan(here, "y.npy", "geometry=tiny")
    np.save(here / "bare.npy", y)
    (here / "bare.yaml").unlink(missing_ok=True)
    x = image(here, "sinogram=bare.npy", f"run={RUN}")
    assert "assumed: bare.npy is in metres" in capsys.readouterr().out
    np.testing.assert_array_equal(image(here, "sinogram=y.npy", f"run={RUN}"), x)
    assert "assumed" not in capsys.readouterr().out
    assert "say unit=log" in refused(here, capsys, "sinogram=y.npy", "out=bad.npy", f"run={RUN}", "unit=unknown")


def test_counts_are_no_measurement_of_lengths(here, capsys):
    y = scan(here, "y.npy", "geometry=tiny")
    np.save(here / "counts.npy", 1e4 * np.exp(-MU_MAX * y))
    error = refused(here, capsys, "sinogram=counts.npy", "out=bad.dcm", "model=fbp", "geometry=tiny", "unit=log")
    assert "are these counts? take -log(counts / flat field)" in error


def test_what_is_there_is_replaced_when_that_is_said(here, capsys):
    scan(here, "y.npy", "geometry=tiny")
    np.save(here / "image.npy", np.zeros(3))
    words = ["sinogram=y.npy", "out=image.npy", "model=fbp"]
    assert "out=image.npy: is there already; say overwrite=true or choose another name" in refused(here, capsys, *words)
    assert image(here, *words[:1], "model=fbp").shape == (32, 32)


def test_like_is_a_ct_slice_and_goes_into_dicom(here, capsys):
    scan(here, "y.npy", "geometry=tiny")
    write_dicom(here / "like.dcm", np.full((8, 8), 1000), "4711", PixelSpacing=[45, 45])
    write_dicom(here / "mr.dcm", np.full((8, 8), 1000), Modality="MR")
    base = ["sinogram=y.npy", "model=fbp"]
    assert "go into DICOM files only" in refused(here, capsys, *base, "out=bad.npy", "like=like.dcm")
    assert "expected a CT slice" in refused(here, capsys, *base, "out=bad.dcm", "like=mr.dcm")
    assert "is the file that is read" in refused(here, capsys, *base, "out=like.dcm", "like=like.dcm", "overwrite=true")
    inside("reconstruct", *base, "out=z.dcm", "like=like.dcm", cwd=here)
    z, like = pydicom.dcmread(here / "z.dcm"), pydicom.dcmread(here / "like.dcm")
    assert (z.PatientID, z.FrameOfReferenceUID) == (
        "4711",
        like.FrameOfReferenceUID,
    ) and "its place not" not in capsys.readouterr().out
    inside("reconstruct", *base, "geometry.fov_m=0.3", "out=small.dcm", "like=like.dcm", cwd=here)
    assert "its place not: it does not cover the same square of 0.3 m" in capsys.readouterr().out


def test_a_drawing_is_replaced_when_that_is_said(here, capsys):
    words = ["show", "model=fbp", "geometry=tiny", "out=scan.png"]
    inside(*words, cwd=here)
    with pytest.raises(SystemExit):
        inside(*words, cwd=here)
    assert "out=scan.png: is there already; say overwrite=true" in capsys.readouterr().err
    inside(*words, "overwrite=true", cwd=here)


def test_a_geometry_beside_a_sinogram_may_be_named_and_its_unit_is_not_the_geometrys(here):
    """As geometry=FILE.yaml, whose field of view counts as said."""
    scan(here, "y.npy", "geometry=tiny")
    x = image(here, "sinogram=y.npy", "model=fbp")
    np.testing.assert_array_equal(image(here, "sinogram=y.npy", "model=fbp", "geometry=y.yaml"), x)
