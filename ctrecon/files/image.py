"""Images that people bring and take away."""

import gzip
import io
from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Float
from torch import Tensor

from ctrecon.disk.atomic import suffix_of, writable, write_bytes
from ctrecon.disk.hdf5 import as_hdf5, check_ours, holds, open_hdf5
from ctrecon.disk.reading import as_numbers
from ctrecon.errors import InputError
from ctrecon.files.array import as_image, check_square, chosen, read_array
from ctrecon.files.dicom import as_dicom, is_dicom, read_hu
from ctrecon.files.slices import SliceFile
from ctrecon.files.stored import as_png
from ctrecon.physics.attenuation import from_hu

UNITS = ("relative", "HU")


def read_image(path: str, index: int | None, unit: str) -> Float[Tensor, "1 1 M M"]:
    """An image to scan: DICOM, an HDF5 file of slices, or an array file.

    Args:
        path: The file.
        index: Which image of a stack.
        unit: What the values of an array file are: relative (attenuation / mu_max) or HU. DICOM files and slices say themselves.

    Raises:
        InputError: The file is missing or unreadable, the image not square, the index missing or out of range, or the unit unknown.
    """
    where = Path(path)
    if where.suffix.lower() in (".h5", ".hdf5") and _holds_slices(where):
        slices = SliceFile(path)
        return slices.image(chosen(index, len(slices), path))
    if where.is_file() and is_dicom(where):
        return from_hu(as_image(read_hu(where), path))
    if unit not in UNITS:
        raise InputError(f"unit={unit}: expected relative or HU")
    image = as_image(read_array(where, "image", index, lambda shape: check_square(shape, path)), path)
    return from_hu(image) if unit == "HU" else image


def _holds_slices(path: Path) -> bool:
    with open_hdf5(path) as file:
        return holds(file, "images")


def check_output(path: str, *inputs: str | Path | None) -> Path:
    """The path of an image to write, which is none of the inputs.

    Raises:
        InputError: It has no such suffix, or what is there is an input or something else than an image.
        OSError: Nothing can be written there.
    """
    where = writable(path, tuple(_AS), *inputs)
    check_ours(where, "image")
    return where


def write_image(path: Path, image: Float[np.ndarray, "H W"], pixel_m: float) -> None:
    """Write an image, whole or not at all, in the format of its suffix.

    .npy, .h5, .tif and .nii.gz keep the values; .dcm holds Hounsfield units of attenuation / mu_max; .png shows the range of values.

    Raises:
        InputError: Values are not finite.
        OSError: The disk is full.
    """
    write_bytes(path, _AS[suffix_of(path)](as_numbers(image, f"{path}: the image"), pixel_m))


def _as_npy(image: np.ndarray, pixel_m: float) -> bytes:
    content = io.BytesIO()
    np.save(content, image)
    return content.getvalue()


def _as_tif(image: np.ndarray, pixel_m: float) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, image)
    return content.getvalue()


def _as_nifti(image: np.ndarray, pixel_m: float) -> bytes:
    # NIfTI's axes are right, anterior, superior in mm: columns run right to left of the patient, rows front to back.
    import nibabel  # slow to import, seldom needed

    affine = np.diag([-1000 * pixel_m, -1000 * pixel_m, 1000 * pixel_m, 1])
    return gzip.compress(nibabel.Nifti1Image(image.T[:, :, None], affine).to_bytes(), mtime=0)


_AS = {
    ".npy": _as_npy,
    ".h5": lambda image, pixel_m: as_hdf5({"image": image}, of={"image": {"pixel_m": pixel_m}}),
    ".tif": _as_tif,
    ".png": lambda image, pixel_m: as_png(image),
    ".dcm": as_dicom,
    ".nii.gz": _as_nifti,
}
