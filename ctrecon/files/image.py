"""Images that people bring and take away, with what their values are and how large their pixels are."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import Float
from torch import Tensor

from ctrecon.disk.atomic import check_free, suffix_of, writable, write_files
from ctrecon.disk.hdf5 import as_hdf5, check_ours, holds, open_hdf5
from ctrecon.disk.reading import as_numbers
from ctrecon.errors import InputError
from ctrecon.files.array import as_image, check_square, chosen, count, read_array
from ctrecon.files.label import Label, sidecar_of
from ctrecon.files.slices import SliceFile
from ctrecon.files.stored import as_png
from ctrecon.files.unit import Unit, image_unit

PLAUSIBLE = (-0.5, 2.0)  # attenuation / mu_max of what a scanner sees, noise included; Hounsfield units and counts leave it


@dataclass(frozen=True)
class Slice:
    """An image to scan.

    Attributes:
        x: Attenuation / mu_max.
        side_m: Its side in metres; None: the file does not say.
        assumed: What had to be assumed about it, in one line; None: nothing.
    """

    x: Float[Tensor, "1 1 M M"]
    side_m: float | None
    assumed: str | None


def read_image(path: str, index: int | None, unit: str | None) -> Slice:
    """An image to scan: DICOM, an HDF5 file of slices, or an array file.

    Args:
        path: The file.
        index: Which image of a stack.
        unit: What its values are, a word of `Unit`; None: what the file says, and, where that is nothing, attenuation / mu_max.

    Raises:
        InputError: The file is missing or unreadable, the image not square, the index missing or out of range, or the unit not known.
    """
    from ctrecon.files.dicom import is_dicom, read_hu, side_of, unit_of  # pydicom takes a third of a second to load

    where = Path(path)
    if where.suffix.lower() in (".h5", ".hdf5") and _holds_slices(where):
        slices = SliceFile(path)
        row = chosen(index, len(slices), path)
        said = {"HU": Unit.HU, "1/m": Unit.ATTENUATION, "mu_max": Unit.RELATIVE}[slices.unit]
        return Slice(slices.image(row), slices.side_m(row), _contradiction(path, unit, said))
    if where.is_file() and is_dicom(where):
        said = image_unit(unit_of(where))
        if unit is None and said is Unit.UNKNOWN:
            raise InputError(f"{path}: its header does not say that its values are Hounsfield units; if they are, say unit=HU")
        x = (said if unit is None else image_unit(unit)).to_relative(as_image(read_hu(where), path))
        return Slice(x, side_of(where), _contradiction(path, unit, said))
    array, label = read_array(where, "image", index, lambda shape: check_square(shape, path))
    said = image_unit(label.unit)
    x, assumed = as_image(array, path), _contradiction(path, unit, said)
    if unit is None and said is Unit.UNKNOWN:
        said, assumed = (
            Unit.RELATIVE,
            f"assumed: the values of {path} are attenuation / mu_max; unit=HU or attenuation says otherwise",
        )
        if not PLAUSIBLE[0] <= x.min() <= x.max() <= PLAUSIBLE[1]:
            raise InputError(
                f"{path}: values from {x.min():.4g} to {x.max():.4g} of a unit that it does not say: say unit=HU, attenuation (1/m) or "
                "relative (attenuation / mu_max)"
            )
    side_m = label.pixel_m * len(array) if label.pixel_m else None
    return Slice((said if unit is None else image_unit(unit)).to_relative(x), side_m, assumed)


def images_in(path: str) -> int:
    """How many images `read_image` can be asked for. Raises InputError where the file is missing or unreadable."""
    from ctrecon.files.dicom import is_dicom

    where = Path(path)
    if where.suffix.lower() in (".h5", ".hdf5") and _holds_slices(where):
        return len(SliceFile(path))
    return 1 if where.is_file() and is_dicom(where) else count(where, "image")


def _contradiction(path: str, unit: str | None, said: Unit) -> str | None:
    """What to say of a file whose values are called something else by who brings it, who is believed."""
    if unit is None or said in (Unit.UNKNOWN, image_unit(unit)):
        return None
    return f"unit={unit}: although {path} says {said.value}"


def _holds_slices(path: Path) -> bool:
    with open_hdf5(path) as file:
        return holds(file, "images")


def check_output(path: str, *inputs: str | Path | None, overwrite: bool = False) -> Path:
    """The path of an image to write, which is none of the inputs.

    Raises:
        InputError: It has no such suffix, or what is there is an input, something else than an image, or was not to be replaced.
        OSError: Nothing can be written there.
    """
    where = writable(path, tuple(_AS), *inputs)
    check_ours(where, "image")
    check_free(path, overwrite, where, sidecar_of(where))
    return where


def check_stack(path: Path) -> None:
    """Raises InputError where the format of a path holds one image only."""
    if suffix_of(path) in (".dcm", ".png"):
        raise InputError(
            f"out={path}: holds one image, and index=all gives a stack: expected .npy, .h5, .tif or .nii.gz, or index=0"
        )


def write_image(path: Path, image: Float[np.ndarray, "*N H W"], unit: Unit, pixel_m: float, source: Any = None) -> None:
    """Write an image, or a stack of them, whole or not at all, in the format of its suffix, with its unit and the size of its pixels.

    .npy, .h5, .tif and .nii.gz keep the values, .npy with the rest in a file of its own; .dcm holds Hounsfield units; .png shows the
    range of values in 256 steps.

    Args:
        path: Where to.
        image: The values; a stack only where the format holds one (`check_stack`).
        unit: What they are.
        pixel_m: Width of a pixel.
        source: For DICOM: the `pydicom.Dataset` of the slice whose patient and study the image is of.

    Raises:
        InputError: Values are not finite, or, for DICOM, of an unknown unit or such as no material has.
        OSError: The disk is full.
    """
    values = as_numbers(image, f"{path}: the image")
    suffix = suffix_of(path)
    if suffix == ".dcm":
        from ctrecon.files.ct_image import as_ct_image  # pydicom takes a third of a second to load

        write_files({path: as_ct_image(unit.to_hu(values.astype(np.float64)), pixel_m, source)})
        return
    label = Label(unit.value, pixel_m)
    beside = {sidecar_of(path): label.text().encode()} if suffix == ".npy" else {}
    write_files({path: _AS[suffix](values, label), **beside})


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


_AS: dict[str, Callable[[np.ndarray, Label], bytes] | None] = {
    ".npy": _as_npy,
    ".h5": _as_hdf5,
    ".tif": _as_tif,
    ".png": as_png,
    ".dcm": None,  # takes Hounsfield units, and a patient
    ".nii.gz": _as_nifti,
}
