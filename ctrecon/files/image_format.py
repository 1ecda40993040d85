"""Images written to a file in each format that keeps or shows their values, with their label where the format has a place for one.

A stack comes image by image, so that memory does not grow with it.
"""

import gzip
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from ctrecon.disk.hdf5 import reserve
from ctrecon.files.label import Label
from ctrecon.files.stored import as_png

VALUE = np.dtype("<f4")
LARGE = 2**31  # bytes; from there on TIFF needs its larger form


@dataclass(frozen=True)
class Images:
    """One image, or a stack of them.

    Attributes:
        shape: (H, W), or (N, H, W).
        each: The image, or those of the stack in their order, H x W each; may be gone through once.
    """

    shape: tuple[int, ...]
    each: Iterable[np.ndarray]


def _write_npy(path: Path, images: Images, label: Label) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": VALUE.str, "fortran_order": False, "shape": images.shape})
        for image in images.each:
            file.write(_bytes(image))


def _write_tif(path: Path, images: Images, label: Label) -> None:
    per_cm, large = 0.01 / label.pixel_m, np.prod(images.shape) * VALUE.itemsize > LARGE
    with path.open("wb") as file, tifffile.TiffWriter(file, bigtiff=bool(large)) as tif:
        tif.write(
            (np.ascontiguousarray(image, VALUE) for image in images.each), shape=images.shape, dtype=VALUE, description=label.text(),
            metadata=None, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER",
        )  # fmt: skip


def _write_hdf5(path: Path, images: Images, label: Label) -> None:
    start = reserve(path, "image", images.shape, {"pixel_m": label.pixel_m, "unit": label.unit})
    with path.open("r+b") as file:
        file.seek(start)
        for image in images.each:
            file.write(_bytes(image))


def _write_nifti(path: Path, images: Images, label: Label) -> None:
    # NIfTI's axes are right, anterior, superior in mm: columns run right to left of the patient, rows front to back. An image of two
    # dimensions has no thickness.
    import nibabel  # slow to import, seldom needed

    pixel_mm, spacing_mm = 1000 * label.pixel_m, 1000 * (label.spacing_m or 0.001)
    empty = np.broadcast_to(np.zeros((), VALUE), images.shape[::-1])
    file = nibabel.Nifti1Image(empty, np.diag([-pixel_mm, -pixel_mm, spacing_mm, 1]))
    file.header.set_xyzt_units("mm")
    file.header["descrip"] = f"ctrecon unit={label.unit}"
    file.update_header()
    file.header["vox_offset"] = START_NIFTI
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        packed.write(file.header.binaryblock + bytes(START_NIFTI - len(file.header.binaryblock)))
        for image in images.each:
            packed.write(_bytes(image))


START_NIFTI = 352  # bytes of a header, and of a word that says that nothing follows it


def _write_png(path: Path, images: Images, label: Label) -> None:
    (image,) = images.each
    path.write_bytes(as_png(image, label))


def _bytes(image: np.ndarray) -> memoryview:
    return np.ascontiguousarray(image, VALUE).data


WRITE: dict[str, Callable[[Path, Images, Label], None]] = {
    ".npy": _write_npy,
    ".h5": _write_hdf5,
    ".tif": _write_tif,
    ".png": _write_png,
    ".nii.gz": _write_nifti,
}
