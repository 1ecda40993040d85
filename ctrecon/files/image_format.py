"""An image as the bytes of a file, in each format that keeps or shows its values, with its label where the format has a place for one."""

import gzip
import io
from collections.abc import Callable

import numpy as np
import tifffile

from ctrecon.disk.hdf5 import as_hdf5
from ctrecon.files.label import Label
from ctrecon.files.stored import as_png


def _as_npy(image: np.ndarray, label: Label) -> bytes:
    content = io.BytesIO()
    np.save(content, image)
    return content.getvalue()


def _as_tif(image: np.ndarray, label: Label) -> bytes:
    content, per_cm = io.BytesIO(), 0.01 / label.pixel_m
    tifffile.imwrite(
        content, image, description=label.text(), metadata=None, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER"
    )
    return content.getvalue()


def _as_hdf5(image: np.ndarray, label: Label) -> bytes:
    return as_hdf5({"image": image}, of={"image": {"pixel_m": label.pixel_m, "unit": label.unit}})


def _as_nifti(image: np.ndarray, label: Label) -> bytes:
    # NIfTI's axes are right, anterior, superior in mm: columns run right to left of the patient, rows front to back. An image of two
    # dimensions has no thickness.
    import nibabel  # slow to import, seldom needed

    pixel_mm = 1000 * label.pixel_m
    file = nibabel.Nifti1Image(image.T, np.diag([-pixel_mm, -pixel_mm, 1, 1]))  # a stack: as many, a unit apart
    file.header.set_xyzt_units("mm")
    file.header["descrip"] = f"ctrecon unit={label.unit}"
    return gzip.compress(file.to_bytes(), mtime=0)


AS: dict[str, Callable[[np.ndarray, Label], bytes]] = {
    ".npy": _as_npy,
    ".h5": _as_hdf5,
    ".tif": _as_tif,
    ".png": as_png,
    ".nii.gz": _as_nifti,
}
