"""Images that people bring and take away, with what their values are and how large their pixels are."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ctrecon.disk.atomic import check_free, writable, write_files
from ctrecon.disk.format import IMAGE, suffix_of
from ctrecon.disk.hdf5 import check_ours, holds, open_hdf5
from ctrecon.disk.reading import as_numbers
from ctrecon.errors import InputError
from ctrecon.files.array import as_image, check_square, chosen, count, read_array
from ctrecon.files.image_format import AS
from ctrecon.files.label import Label, as_sidecar, is_foreign, sidecar_of
from ctrecon.files.slices import SliceFile
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


def read_images(path: str, index: int | Literal["all"] | None, unit: str | None) -> list[Slice]:
    """Images to scan: of DICOM, of an HDF5 file of slices, or of an array file.

    Args:
        path: The file.
        index: Which image of a stack; all: every one; None: the only one.
        unit: What its values are, a word of `Unit`; None: what the file says, and, where that is nothing, attenuation / mu_max.

    Raises:
        InputError: The file is missing or unreadable, an image not square, the index missing or out of range, or the unit not known.
    """
    count, read = _reader(Path(path))
    return [read(row, unit) for row in (range(count()) if index == "all" else [index])]


def read_image(path: str, index: int | None, unit: str | None) -> Slice:
    """One image to scan. Arguments and errors are those of `read_images`."""
    return read_images(path, index, unit)[0]


def _reader(path: Path) -> tuple[Callable[[], int], Callable[[int | None, str | None], Slice]]:
    """What counts the images of a file and what reads one, by the kind of file that it is."""
    from ctrecon.files.dicom import is_dicom  # pydicom takes a third of a second to load

    if path.suffix.lower() in (".h5", ".hdf5") and _holds_slices(path):
        slices = SliceFile(str(path))
        return lambda: len(slices), partial(_of_slices, slices)
    if path.is_file() and is_dicom(path):
        return lambda: 1, partial(_of_dicom, path)
    return lambda: count(path, "image"), partial(_of_array, path)


def _of_slices(slices: SliceFile, index: int | None, unit: str | None) -> Slice:
    row = chosen(index, len(slices), slices.file)
    said = {"HU": Unit.HU, "1/m": Unit.ATTENUATION, "mu_max": Unit.RELATIVE}[slices.unit]
    return Slice(slices.image(row), slices.side_m(row), _contradiction(slices.file, unit, said))


def _of_dicom(path: Path, index: int | None, unit: str | None) -> Slice:
    from ctrecon.files.dicom import read_hu, side_of, unit_of

    said = image_unit(unit_of(path))
    if unit is None and said is Unit.UNKNOWN:
        raise InputError(f"{path}: its header does not say that its values are Hounsfield units; if they are, say unit=HU")
    x = (said if unit is None else image_unit(unit)).to_relative(as_image(read_hu(path), str(path)))
    return Slice(x, side_of(path), _contradiction(path, unit, said))


def _of_array(path: Path, index: int | None, unit: str | None) -> Slice:
    array, label = read_array(path, "image", index, lambda shape: check_square(shape, str(path)))
    said = image_unit(label.unit)
    x, assumed = as_image(array, str(path)), _contradiction(path, unit, said) or label.note
    if unit is None and said is Unit.UNKNOWN:
        note = f" ({label.note})" if label.note else ""
        said, assumed = (
            Unit.RELATIVE,
            f"assumed: the values of {path} are attenuation / mu_max{note}; unit=HU or attenuation says otherwise",
        )
        if not PLAUSIBLE[0] <= x.min() <= x.max() <= PLAUSIBLE[1]:
            raise InputError(
                f"{path}: values from {x.min():.4g} to {x.max():.4g} of a unit that it does not say{note}: say unit=HU, attenuation (1/m) "
                "or relative (attenuation / mu_max)"
            )
    side_m = label.pixel_m * len(array) if label.pixel_m else None
    return Slice((said if unit is None else image_unit(unit)).to_relative(x), side_m, assumed)


def _contradiction(path: Path, unit: str | None, said: Unit) -> str | None:
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
    where = writable(path, IMAGE, *inputs)
    check_ours(where, "image")
    if suffix_of(where) == ".npy" and is_foreign(where):
        raise InputError(
            f"out={path}: its unit goes to {sidecar_of(where)}, where something else is; remove that or choose another name"
        )
    check_free(path, overwrite, where)
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
    content = AS[suffix](values, label)
    beside = {sidecar_of(path): as_sidecar(label, content)} if suffix == ".npy" else {}
    write_files({path: content, **beside})
