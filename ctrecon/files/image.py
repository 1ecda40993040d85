"""Images that people bring and take away, with what their values are and how large their pixels are."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ctrecon.disk.atomic import check_free, folder_of, replacing_folder, writable, writable_folder, write_files
from ctrecon.disk.format import IMAGE, ZARR, suffix_of
from ctrecon.disk.hdf5 import check_ours, holds, open_hdf5
from ctrecon.disk.reading import as_numbers
from ctrecon.errors import InputError
from ctrecon.files.array import as_image, check_square, chosen, count, read_array
from ctrecon.files.image_format import WRITE, Images
from ctrecon.files.label import Label, as_sidecar, is_foreign, sidecar_of
from ctrecon.files.slices import SliceFile
from ctrecon.files.unit import Unit, image_unit
from ctrecon.files.zarr import check_zarr, write_zarr

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
    """The path of an image to write, or of a stack of them, which is none of the inputs.

    Raises:
        InputError: It has no such suffix, or what is there is an input, something else than an image, or was not to be replaced.
        OSError: Nothing can be written there.
    """
    if folder_of(Path(path)) is not None:
        if suffix_of(Path(path)) == ZARR:
            check_zarr()
        return writable_folder(path, IMAGE, overwrite)
    where = writable(path, IMAGE, *inputs)
    check_ours(where, "image")
    if suffix_of(where) == ".npy" and is_foreign(where):
        raise InputError(
            f"out={path}: its unit goes to {sidecar_of(where)}, where something else is; remove that or choose another name"
        )
    check_free(path, overwrite, where)
    return where


def check_stack(path: Path, stack: bool) -> None:
    """Raises InputError where the format of a path holds one image and a stack goes there, or the other way round."""
    if stack and folder_of(path) is None and suffix_of(path) in (".dcm", ".png"):
        raise InputError(
            f"out={path}: holds one image, and index=all gives a stack: expected .npy, .h5, .tif or .nii.gz, a folder as "
            f"{path.with_suffix('')}/*{path.suffix} or {path.with_suffix('.zarr')}, or index=0"
        )
    if not stack and folder_of(path) is not None:
        raise InputError(f"out={path}: is a folder for a stack of images; expected index=all beside it, or the name of one file")


def write_image(
    path: Path, image: Float[np.ndarray, "*N H W"], unit: Unit, pixel_m: float, source: Any = None, derivation: str = ""
) -> None:
    """Write an image, or a stack of them, whole or not at all, in the format of its suffix, with its unit and the size of its pixels.

    .npy, .h5, .tif and .nii.gz keep the values, .npy with the rest in a file of its own; .dcm holds Hounsfield units; .png shows the
    range of values in 256 steps.

    Args:
        path: Where to.
        image: The values; a stack only where the format holds one (`check_stack`).
        unit: What they are.
        pixel_m: Width of a pixel.
        source: For DICOM: the `pydicom.Dataset` of the slice whose patient and study the image is of.
        derivation: For DICOM: how it was made, in words.

    Raises:
        InputError: Values are not finite, or, for DICOM, of an unknown unit or such as no material has.
        OSError: The disk is full.
    """
    values = as_numbers(image, f"{path}: the image")
    images = Images(values.shape, [values] if values.ndim == 2 else values)
    if suffix_of(path) == ".dcm":
        write_files({path: _as_series(pixel_m, None, source, derivation).as_file(unit.to_hu(values.astype(np.float64)))})
    else:
        write_files(_in_format(path, images, Label(unit.value, pixel_m)))


def write_stack(
    path: Path, images: Images, unit: Unit, pixel_m: float, spacing_m: float, source: Any = None, derivation: str = ""
) -> None:
    """Write a stack image by image, whole or not at all; images that could not be made are NaN, and left out of a folder of files.

    Args:
        path: A file of a format that holds a stack; FOLDER/*.SUFFIX, a file an image; or NAME.zarr, an OME-Zarr.
        images: The stack.
        unit: What its values are.
        pixel_m: Width of a pixel.
        spacing_m: Distance between two images.
        source: As in `write_image`; its place is that of the first image.
        derivation: As in `write_image`.

    Raises:
        InputError: As `write_image`.
        OSError: The disk is full.
    """
    folder, label = folder_of(path), Label(unit.value, pixel_m, spacing_m)
    if folder is None:
        write_files(_in_format(path, images, label))
        return
    with replacing_folder(folder) as temporary:
        if suffix_of(path) == ZARR:
            write_zarr(temporary, images, label)
            return
        series = _as_series(pixel_m, spacing_m, source, derivation) if suffix_of(path) == ".dcm" else None
        for number, image in enumerate(images.each):
            where = temporary / f"{number:0{len(str(images.shape[0] - 1))}d}{suffix_of(path)}"
            if not np.isnan(image).any():
                one = Images(image.shape, [image])
                write_files(
                    _in_format(where, one, label)
                    if series is None
                    else {where: series.as_file(unit.to_hu(image.astype(np.float64)), number)}
                )


def _as_series(pixel_m: float, spacing_m: float | None, source: Any, derivation: str) -> Any:
    from ctrecon.files.ct_image import Series  # pydicom takes a third of a second to load

    return Series(pixel_m, spacing_m, source, derivation)


def _in_format(path: Path, images: Images, label: Label) -> dict[Path, Callable[[Path], None]]:
    """What writes images to a path, and their label beside it where the format has no place for one."""
    write, written = WRITE[suffix_of(path)], []

    def fill(temporary: Path) -> None:
        write(temporary, images, label)
        written.append(temporary)

    if suffix_of(path) != ".npy":
        return {path: fill}

    def fill_beside(temporary: Path) -> None:
        temporary.write_bytes(as_sidecar(label, written[0]))

    return {path: fill, sidecar_of(path): fill_beside}
