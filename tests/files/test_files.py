"""Files in and out: what is written is read back, and appears whole or not at all."""

import h5py
import nibabel
import numpy as np
import pydicom
import pytest
import scipy.io
import tifffile
import torch
from conftest import write_slices
from skimage.io import imread, imsave

from ctrecon.disk.atomic import replacing, writable
from ctrecon.disk.format import DRAWING
from ctrecon.errors import InputError
from ctrecon.files import image, sinogram
from ctrecon.files.unit import Unit
from ctrecon.physics.attenuation import to_hu
from ctrecon.physics.parallel import Parallel
from ctrecon.report.drawing import write_drawing
from ctrecon.report.scan import draw

GEOMETRY = Parallel(pixels=16, fov_m=0.2, views=6, bins=23)
GEOMETRY_TEXT = "_target_: ctrecon.physics.parallel.Parallel\n"
Y = np.random.default_rng(0).random((6, 23), dtype=np.float32)
X = np.random.default_rng(1).random((16, 16), dtype=np.float32)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".tif", ".mat"])
def test_sinograms_are_read_back(tmp_path, suffix):
    path = sinogram.check_output(str(tmp_path / f"new folder/y{suffix}"))
    beside = sinogram.write_sinogram(path, Y, GEOMETRY_TEXT)
    y = sinogram.read_sinogram(str(path), "sinogram", None, None, GEOMETRY)[0]
    assert torch.equal(y[0, 0], torch.from_numpy(Y))
    assert sinogram.geometry_with(str(path)) == (beside, f"unit: metres  # of the sinogram\n{GEOMETRY_TEXT}")
    beside.unlink()
    inside = sinogram.geometry_with(str(path))
    assert inside == ((path, GEOMETRY_TEXT) if suffix in (".npz", ".h5", ".mat") else None)


def test_stack_needs_an_index(tmp_path):
    np.save(tmp_path / "y.npy", np.stack([Y, 2 * Y]))
    read = lambda index: sinogram.read_sinogram(str(tmp_path / "y.npy"), "sinogram", index, "metres", GEOMETRY)[0]  # noqa: E731
    assert torch.equal(read(1), 2 * read(0))
    for index in (None, 2, -1):
        with pytest.raises(InputError, match="index"):
            read(index)


def test_part_of_a_scan_is_taken_from_the_whole(tmp_path):
    np.save(tmp_path / "y.npy", Y)
    part = Parallel(pixels=16, fov_m=0.2, views="1:3", bins=23, scan_views=6)
    assert torch.equal(
        sinogram.read_sinogram(str(tmp_path / "y.npy"), "sinogram", None, "metres", part)[0][0, 0], torch.from_numpy(Y[1:3])
    )


@pytest.mark.parametrize("suffix", [".npy", ".h5", ".tif", ".png", ".dcm", ".nii.gz"])
def test_images_are_read_back(tmp_path, suffix):
    path = image.check_output(str(tmp_path / f"x{suffix}"))
    image.write_image(path, X, Unit.RELATIVE, 0.002)
    back = {
        ".npy": lambda: np.load(path),
        ".h5": lambda: h5py.File(path)["image"][:],
        ".tif": lambda: tifffile.imread(path),
        ".png": lambda: X.min() + imread(path) / 255 * (X.max() - X.min()),
        ".dcm": lambda: (pydicom.dcmread(path).pixel_array / 1000 + 1) * (20 / 81.35858),
        ".nii.gz": lambda: np.asarray(nibabel.load(path).dataobj).T,
    }[suffix]()
    assert np.abs(back - X).max() <= {".png": 0.5 / 255, ".dcm": 0.5 / 1000 * 0.25}.get(suffix, 0) + 1e-7
    assert {p.name for p in tmp_path.iterdir()} == {path.name} | ({"x.npy.json"} if suffix == ".npy" else set())


def test_dicom_is_in_hounsfield_units_with_its_pixel_size(tmp_path):
    image.write_image(tmp_path / "x.dcm", X, Unit.RELATIVE, 0.0025)
    file = pydicom.dcmread(tmp_path / "x.dcm")
    assert file.PixelSpacing == [2.5, 2.5] and abs(file.pixel_array[3, 5] - to_hu(X[3, 5])) <= 0.5
    assert torch.allclose(image.read_image(str(tmp_path / "x.dcm"), None, None).x[0, 0], torch.from_numpy(X), atol=2e-4)


def test_images_to_scan_come_from_many_formats(tmp_path):
    np.save(tmp_path / "x.npy", X)
    scipy.io.savemat(tmp_path / "x.mat", {"image": X})
    tifffile.imwrite(tmp_path / "x.tif", X)
    imsave(tmp_path / "x.png", (255 * X).astype(np.uint8), check_contrast=False)
    for suffix in (".npy", ".mat", ".tif", ".png"):
        x = image.read_image(str(tmp_path / f"x{suffix}"), None, "relative").x
        assert np.abs(x[0, 0].numpy() - X).max() <= (1 / 255 if suffix == ".png" else 0)
    image.write_image(tmp_path / "x.h5", X, Unit.RELATIVE, 0.002)
    assert np.array_equal(image.read_image(str(tmp_path / "x.h5"), None, None).x[0, 0].numpy(), X)
    slices = str(write_slices(tmp_path / "slices.h5", ["A", "B"], size=16))
    assert image.read_image(slices, 1, None).x.shape == (1, 1, 16, 16)
    for index in (None, 2):
        with pytest.raises(InputError, match="index"):
            image.read_image(slices, index, None)
    np.save(tmp_path / "hu.npy", np.zeros((16, 16)))
    assert image.read_image(str(tmp_path / "hu.npy"), None, "HU").x.mean().item() == pytest.approx(20 / 81.35858)


def test_what_fails_leaves_nothing_and_loses_nothing(tmp_path):
    target = tmp_path / "x.npy"
    target.write_text("precious")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "precious" and [p.name for p in tmp_path.iterdir()] == ["x.npy"]


def test_a_file_to_write_may_lie_in_folders_that_are_not_there_yet(tmp_path):
    path = tmp_path / "a" / "b" / "x.npy"
    assert writable(str(path), (".npy",)) == path
    image.write_image(path, X, Unit.RELATIVE, 0.002)
    usual = tmp_path / "usual"
    usual.touch()
    assert path.stat().st_mode == usual.stat().st_mode  # others may read it, and nobody run it


@pytest.mark.parametrize("suffix", DRAWING)
def test_a_drawing_is_known_by_how_it_begins(tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    write_drawing(draw(GEOMETRY), str(path), overwrite=False)
    write_drawing(draw(GEOMETRY), str(path), overwrite=True)
    path.write_text("notes of a year")
    with pytest.raises(InputError, match=f"no {suffix} file"):
        write_drawing(draw(GEOMETRY), str(path), overwrite=True)


def test_datasets_are_named_where_another_one_is_asked_for(tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["inside/first"], file["second"] = X, X
    with pytest.raises(InputError, match=r"no dataset 'sinogram'; it has inside/first, second$"):
        sinogram.read_sinogram(str(tmp_path / "s.h5"), "sinogram", None, None, GEOMETRY)


def test_an_image_has_at_least_four_pixels_each_way(tmp_path):
    for pixels in (4, 3):
        np.save(tmp_path / f"{pixels}.npy", X[:pixels, :pixels])
    assert image.read_image(str(tmp_path / "4.npy"), None, None).x.shape == (1, 1, 4, 4)
    with pytest.raises(InputError, match="expected a square one"):
        image.read_image(str(tmp_path / "3.npy"), None, None)


def test_unwritable_outputs_are_refused(tmp_path):
    with pytest.raises(InputError, match="ending in"):
        writable(str(tmp_path / "x.jpg"), (".npy",))
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(InputError, match="folder"):
        writable(str(tmp_path / "folder.npy"), (".npy",))
    (tmp_path / "file").touch()
    for name in ("x.npy", "deep/x.npy"):
        with pytest.raises(InputError, match="file is a file; expected a folder there"):
            writable(str(tmp_path / "file" / name), (".npy",))


def test_pickled_arrays_are_never_loaded(tmp_path):
    np.save(tmp_path / "y.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        sinogram.read_sinogram(str(tmp_path / "y.npy"), "sinogram", None, "metres", GEOMETRY)


@pytest.mark.parametrize("content", [b"", b"notes of a year", b"\x93NUMPY"])
def test_a_file_that_only_has_the_name_of_hdf5_is_said_to_be_something_else(tmp_path, content):
    (tmp_path / "s.h5").write_bytes(content)
    for read in (
        lambda path: image.read_image(path, None, None),
        lambda path: sinogram.read_sinogram(path, "sinogram", None, None, GEOMETRY),
    ):
        with pytest.raises(InputError, match=r"s\.h5: is not in HDF5 format; expected an HDF5 file$"):
            read(str(tmp_path / "s.h5"))
