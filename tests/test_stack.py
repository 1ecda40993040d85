"""A stack of sinograms becomes a stack of images: in every format, in groups, on where it was stopped, past those that fail."""

import json
from pathlib import Path

import h5py
import nibabel
import numpy as np
import PIL.Image
import pydicom
import pytest
import tifffile
import torch
from conftest import inside

from ctrecon.errors import InputError
from ctrecon.files import unfinished as unfinished_module
from ctrecon.files.image_format import Images
from ctrecon.files.unfinished import Unfinished
from ctrecon.models.classical import FBP
from ctrecon.physics.attenuation import MU_MAX

COUNT, PIXELS = 11, 32
WORDS = ["model=fbp", "geometry=tiny", "unit=metres", "index=all", "device=cpu"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a stack of sinograms and, in x.npy, the image of each by itself."""
    folder = tmp_path_factory.mktemp("stack")
    from conftest import experiment

    views, bins = experiment().geometry.shape
    y = (0.02 * np.random.default_rng(0).random((COUNT, views, bins))).astype(np.float32)
    np.save(folder / "y.npy", y)
    inside("reconstruct", "sinogram=y.npy", "out=first.npy", *WORDS, cwd=folder)
    each = []
    for number in range(COUNT):
        inside("reconstruct", "sinogram=y.npy", "out=one.npy", *WORDS, f"index={number}", "overwrite=true", cwd=folder)
        each.append(np.load(folder / "one.npy"))
    np.save(folder / "x.npy", np.stack(each))
    return folder


@pytest.fixture(autouse=True)
def groups_of_four(monkeypatch):
    monkeypatch.setattr("ctrecon.reconstruct.TOGETHER", 4)


def hu(file: pydicom.Dataset) -> np.ndarray:
    return file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)


READ = {
    "s.npy": lambda path: np.load(path),
    "s.h5": lambda path: h5py.File(path)["image"][:],
    "s.tif": lambda path: tifffile.imread(path),
    "s.nii.gz": lambda path: nibabel.load(path).get_fdata().transpose(2, 1, 0),
    "s.zarr": lambda path: np.stack([__import__("zarr").open_array(path / "0", mode="r")[k] for k in range(COUNT)]),
    "s/*.npy": lambda path: np.stack([np.load(one) for one in sorted(path.parent.glob("*.npy"))]),
    "s/*.tif": lambda path: np.stack([tifffile.imread(one) for one in sorted(path.parent.glob("*.tif"))]),
    "s/*.h5": lambda path: np.stack([h5py.File(one)["image"][:] for one in sorted(path.parent.glob("*.h5"))]),
    "s/*.nii.gz": lambda path: np.stack([nibabel.load(one).get_fdata().T for one in sorted(path.parent.glob("*.nii.gz"))]),
}


@pytest.mark.parametrize("out", READ)
def test_a_stack_holds_the_image_of_each_sinogram_in_every_format(here, tmp_path, out, capsys):
    if "zarr" in out:
        pytest.importorskip("zarr")
    inside("reconstruct", "sinogram=y.npy", f"out={tmp_path}/{out}", *WORDS, "spacing_m=0.002", cwd=here)
    images = READ[out](tmp_path / out)
    assert images.shape == (COUNT, PIXELS, PIXELS)
    np.testing.assert_allclose(images, np.load(here / "x.npy"), rtol=1e-5, atol=1e-7)
    assert f"{COUNT} images" in capsys.readouterr().out
    beside = {"s.npy.json"} if out == "s.npy" else set()
    assert {path.name for path in tmp_path.iterdir()} == {out.split("/")[0]} | beside


def test_pictures_show_a_stack(here, tmp_path):
    inside("reconstruct", "sinogram=y.npy", f"out={tmp_path}/s/*.png", *WORDS, cwd=here)
    for number, truth in enumerate(np.load(here / "x.npy")):
        shown = np.asarray(PIL.Image.open(tmp_path / "s" / f"{number:02d}.png"))
        assert np.corrcoef(shown.ravel(), truth.ravel())[0, 1] > 0.999


def test_a_stack_in_dicom_is_a_series_that_viewers_put_in_order(here, tmp_path):
    inside("reconstruct", "sinogram=y.npy", f"out={tmp_path}/s/*.dcm", *WORDS, "spacing_m=0.0025", cwd=here)
    files = [pydicom.dcmread(path) for path in sorted((tmp_path / "s").iterdir())]
    assert [int(file.InstanceNumber) for file in files] == list(range(1, COUNT + 1))
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SeriesDate"):
        assert len({file[name].value for file in files}) == 1
    assert len({file.SOPInstanceUID for file in files}) == COUNT
    places = np.array([file.ImagePositionPatient for file in files], dtype=float)
    np.testing.assert_allclose(np.diff(places, axis=0), [[0, 0, 2.5]] * (COUNT - 1))
    assert [float(file.SliceLocation) for file in files] == list(places[:, 2]) and float(files[0].SliceThickness) == 2.5
    assert "FBP" in files[0].DerivationDescription
    expected = (np.load(here / "x.npy")[3] * MU_MAX - 20) / 20 * 1000  # water is 20 1/m
    assert np.abs(hu(files[3]) - expected).max() < 2


def test_distances_are_kept_where_the_format_has_a_place(here, tmp_path):
    for out in ("s.npy", "s.tif", "s.nii.gz"):
        inside("reconstruct", "sinogram=y.npy", f"out={tmp_path}/{out}", *WORDS, "spacing_m=0.002", cwd=here)
    assert json.loads((tmp_path / "s.npy.json").read_text())["spacing_m"] == 0.002
    assert json.loads(tifffile.TiffFile(tmp_path / "s.tif").pages[0].description)["spacing_m"] == 0.002
    assert nibabel.load(tmp_path / "s.nii.gz").header.get_zooms() == pytest.approx((11.25, 11.25, 2))


class Stopped(Exception):
    """In place of what ends a process."""


def stop_after(monkeypatch, calls: int) -> list[int]:
    """Let FBP end the process after so many calls; what it was given is counted."""
    given: list[int] = []
    forward = FBP.forward

    def counted(self, y: torch.Tensor) -> torch.Tensor:
        if len(given) == calls:
            raise Stopped
        given.append(len(y))
        return forward(self, y)

    monkeypatch.setattr(FBP, "forward", counted)
    return given


def test_a_stopped_stack_goes_on_and_is_equal_to_the_last_bit(here, tmp_path, monkeypatch):
    words = ["reconstruct", "sinogram=y.npy", f"out={tmp_path}/s.npy", *WORDS]
    with monkeypatch.context() as patched:
        given = stop_after(patched, 2)
        with pytest.raises(Stopped):
            inside(*words, cwd=here)
        assert given == [4, 4] and [path.name for path in tmp_path.iterdir()] == ["s.npy.unfinished"]
    left = tmp_path / "s.npy.unfinished"
    left.write_bytes(left.read_bytes()[:-PIXELS])  # killed while the last group was written
    with monkeypatch.context() as patched:
        given = stop_after(patched, 9)
        inside(*words, cwd=here)
    assert given == [4, 3]
    assert (tmp_path / "s.npy").read_bytes() == (here / "first.npy").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.npy", "s.npy.json"]


def test_what_another_command_left_is_not_gone_on_with(here, tmp_path, monkeypatch, capsys):
    words = ["reconstruct", "sinogram=y.npy", f"out={tmp_path}/s.npy", *WORDS]
    with monkeypatch.context() as patched:
        stop_after(patched, 1)
        with pytest.raises(Stopped):
            inside(*words, cwd=here)
    left = (tmp_path / "s.npy.unfinished").read_bytes()
    with pytest.raises(SystemExit):
        inside(*words, "model.window=ram-lak", cwd=here)
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "configuration.model.window: hann there, ram-lak here" in error and "overwrite=true" in error
    assert (tmp_path / "s.npy.unfinished").read_bytes() == left
    inside(*words, "model.window=ram-lak", "overwrite=true", cwd=here)
    assert np.abs(np.load(tmp_path / "s.npy") - np.load(here / "x.npy")).max() > 1e-3


def test_sinograms_that_fail_are_named_and_the_others_written(here, tmp_path, capsys):
    y = np.load(here / "y.npy")
    y[1], y[6, 0, 0], y[9] = 0, np.nan, 1000 * y[9]
    np.save(tmp_path / "y.npy", y)
    for out in ("s.npy", "s/*.dcm"):
        with pytest.raises(SystemExit) as ended:
            inside("reconstruct", "sinogram=y.npy", f"out={out}", *WORDS, cwd=tmp_path)
        said = capsys.readouterr().out
        assert ended.value.code == 1 and f"3 of {COUNT} sinograms could not be reconstructed" in said
        for number, reason in ((1, "all values are zero"), (6, "1 values are NaN"), (9, "is it -log(I/I0)?")):
            assert any(f"sinogram {number}: " in line and reason in line for line in said.splitlines())
    good = [number for number in range(COUNT) if number not in (1, 6, 9)]
    images = np.load(tmp_path / "s.npy")
    np.testing.assert_allclose(images[good], np.load(here / "x.npy")[good], rtol=1e-5, atol=1e-7)
    assert np.isnan(images[[1, 6, 9]]).all()
    assert [path.name for path in sorted((tmp_path / "s").iterdir())] == [f"{number:02d}.dcm" for number in good]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["out=s/*.dcm", "index=0"], "out=s/*.dcm: is a folder for a stack of images"),
        (["out=s.dcm"], "a folder as s/*.dcm"),
        (["out=s.npy", "index=0", "spacing_m=0.1"], "spacing_m=0.1: is the distance between the images of a stack"),
        (["out=*.dcm"], "out=*.dcm: expected FOLDER/*"),
        (["out=full/*.npy"], "full/precious.txt is there and would be lost"),
        (["out=full/*.npy", "overwrite=true"], "full/precious.txt is there and would be lost"),
        (["out=mine/*.npy"], "mine is there already; say overwrite=true"),
        (["out=y.npy/*.npy"], "y.npy is a file; expected a folder"),
    ],
)
def test_folders_are_not_lost(here, tmp_path, words, says, capsys):
    for folder, name in (("full", "precious.txt"), ("mine", "0.npy")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("precious")
    (tmp_path / "y.npy").write_bytes((here / "y.npy").read_bytes())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        inside("reconstruct", "sinogram=y.npy", *WORDS, *words, cwd=tmp_path)
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1 and says in error and sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_images_is_replaced_when_that_is_said(here, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "old.npy").write_text("old")
    inside("reconstruct", "sinogram=y.npy", f"out={tmp_path}/s/*.npy", *WORDS, "overwrite=true", cwd=here)
    assert {path.name.removesuffix(".json") for path in (tmp_path / "s").iterdir()} == {f"{k:02d}.npy" for k in range(COUNT)}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_two_processes_do_not_mix_their_images(tmp_path):
    one, two = (Unfinished(tmp_path / "s.npy", (3, 2, 2), {"a": 1}, overwrite=False) for _ in range(2))
    one.append(np.ones((1, 2, 2)))
    with pytest.raises(InputError, match="another process writes the same stack"):
        two.append(np.zeros((1, 2, 2)))


@pytest.mark.parametrize(
    "there", [b"", b"{", b"\xff" * 40, b"[[[[\n", b'{"images": 3}\n', b'{"images": [3, 2, 2], "plan": {"a": 2}}\nabc']
)
def test_what_lies_in_the_place_of_an_unfinished_stack_is_read_as_data(tmp_path, there):
    path = tmp_path / f"s.npy{unfinished_module.SUFFIX}"
    path.write_bytes(there)
    if there in (b"", b"{"):  # killed before anything was done
        assert len(Unfinished(tmp_path / "s.npy", (3, 2, 2), {"a": 1}, overwrite=False)) == 0
    else:
        with pytest.raises(InputError, match="is what another command left"):
            Unfinished(tmp_path / "s.npy", (3, 2, 2), {"a": 1}, overwrite=False)
        assert path.read_bytes() == there


def test_an_image_a_time_is_read_of_a_stack(tmp_path):
    """And of a TIFF that another program made, page by page."""
    from ctrecon.files.array import ArrayFile

    stack = np.random.default_rng(0).random((5, 6, 7)).astype(np.float32)
    for name, options in (("pages.tif", {"photometric": "minisblack"}), ("packed.tif", {"compression": "zlib"})):
        tifffile.imwrite(tmp_path / name, stack, **options)
    with tifffile.TiffWriter(tmp_path / "many.tif") as file:
        for image in stack:
            file.write(image, metadata=None)
    for name in ("pages.tif", "packed.tif", "many.tif"):
        with ArrayFile(tmp_path / name, "image") as file:
            assert len(file) == 5
            for number in (3, 0, 4):
                np.testing.assert_array_equal(file.read(number, lambda shape: None)[0], stack[number])


def test_values_are_written_in_their_order_behind_an_hdf5_header(tmp_path):
    from ctrecon.files.image_format import WRITE
    from ctrecon.files.label import Label

    stack = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    WRITE[".h5"](tmp_path / "s.h5", Images(stack.shape, iter(stack)), Label("relative", 0.5))
    with h5py.File(tmp_path / "s.h5") as file:
        np.testing.assert_array_equal(file["image"][:], stack)
        assert dict(file["image"].attrs) == {"pixel_m": 0.5, "unit": "relative"}


def test_folder_names_are_folders(here):
    assert not list(Path(here).glob("*.unfinished"))
