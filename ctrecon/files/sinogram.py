"""Sinograms that people bring and take away, with the geometry beside them."""

import io
import re
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import scipy.io
import tifffile
import torch
from jaxtyping import Float

from ctrecon.disk.atomic import suffix_of, writable, write_files
from ctrecon.disk.hdf5 import as_hdf5, attribute, check_ours, open_hdf5
from ctrecon.disk.reading import MOST_TEXT, as_numbers, reading
from ctrecon.errors import InputError
from ctrecon.files.array import Shape, read_array
from ctrecon.files.stored import OPEN
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram

UNITS = {"metres": 1.0, "log": 1.0 / MU_MAX}  # factor to metres
GEOMETRY = re.compile(r"^_target_:", re.MULTILINE)  # is in the text of one, and not in a run's configuration


def read_sinogram(path: str, name: str, index: int | None, unit: str, geometry: Geometry) -> Sinogram:
    """A measured sinogram (1, 1, A, D) of a geometry.

    Args:
        path: A .npy, .npz, .h5, .tif or .mat file with views along the rows.
        name: Name of the dataset, where the file holds several.
        index: Which sinogram of a stack.
        unit: metres, as `simulate` writes, or log: -log(I / I0), which is divided by mu_max.
        geometry: The scan. Where the file has all views of the scanner and the geometry uses a part, that part is taken.

    Raises:
        InputError: The file cannot be read, or does not hold a sinogram of this geometry.
    """
    if unit not in UNITS:
        raise InputError(f"unit={unit}: expected one of {', '.join(UNITS)}")

    def check(shape: Shape) -> None:
        if shape != (geometry.seen.scanned, geometry.bins):
            geometry.check(torch.empty(1, 1, *shape, device="meta"), f"{path}: sinogram")

    y = torch.from_numpy(geometry.used(read_array(Path(path), name, index, check)))[None, None]
    if not y.any():
        raise InputError(f"{path}: all values are zero; expected a measurement")
    return y * UNITS[unit]


def geometry_with(path: str) -> tuple[Path, str] | None:
    """The geometry that comes with a sinogram file, as (where it stands, YAML text): a YAML beside it, or `geometry` in the file.

    Files of others use that key for prose: inside a file only a text with a `_target_` counts.
    """
    where = Path(path)
    if not where.is_file():
        return None  # reading the sinogram will tell
    beside = where.with_suffix(".yaml")
    if beside.is_file():
        return beside, _text(beside)
    text = _text_inside(where)
    return (where, text) if "_target_:" in text else None


def _text(path: Path) -> str:
    """A short text file. Raises InputError where it is long."""
    if path.stat().st_size > MOST_TEXT:
        raise InputError(f"{path}: {path.stat().st_size} bytes; expected a geometry, of at most {MOST_TEXT}")
    return path.read_text(errors="replace")


def _text_inside(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".h5", ".hdf5"):
        with open_hdf5(path) as file:
            return attribute(file, "geometry") or ""
    if suffix in (".npz", ".mat"):
        try:
            with reading(path, suffix), ExitStack() as stack:
                stored = OPEN[suffix](path, "geometry", stack)
                small = stored.dtype.kind == "U" and stored.dtype.itemsize <= 4 * MOST_TEXT
                return str(stored.read(None).item()) if small else ""
        except InputError:  # none in it, or not one text, or not readable: reading the sinogram will tell
            return ""
    return ""


def check_output(path: str, *inputs: str | Path | None) -> Path:
    """The path of a sinogram to write, which is none of the inputs.

    Raises:
        InputError: It has no such suffix, or what is there, or where its geometry will be, is an input or something else.
        OSError: Nothing can be written there.
    """
    where = writable(path, tuple(_AS), *inputs)
    check_ours(where, "sinogram")
    beside = where.with_suffix(".yaml")
    if beside.exists() and not (beside.is_file() and GEOMETRY.search(_text(beside) or "_target_:")):
        raise InputError(f"out={path}: its geometry goes to {beside}, where something else is; remove that or choose another name")
    return where


def write_sinogram(path: Path, y: Float[np.ndarray, "A D"], geometry: str) -> Path:
    """Write a sinogram in metres in the format of its suffix, and its geometry, a YAML text, beside it; returns where that is.

    Formats that hold several things (.npz, .h5, .mat) have the geometry inside too.

    Raises:
        InputError: Values are not finite.
        OSError: The disk is full; then both are what they were.
    """
    beside = path.with_suffix(".yaml")
    content = _AS[suffix_of(path)](as_numbers(y, f"{path}: the sinogram"), geometry)
    write_files({path: content, beside: geometry.encode()})
    return beside


def _as_npy(y: np.ndarray, geometry: str) -> bytes:
    content = io.BytesIO()
    np.save(content, y)
    return content.getvalue()


def _as_npz(y: np.ndarray, geometry: str) -> bytes:
    content = io.BytesIO()
    np.savez(content, sinogram=y, geometry=geometry)
    return content.getvalue()


def _as_tif(y: np.ndarray, geometry: str) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, y)
    return content.getvalue()


def _as_mat(y: np.ndarray, geometry: str) -> bytes:
    content = io.BytesIO()
    scipy.io.savemat(content, {"sinogram": y, "geometry": geometry})
    return content.getvalue()


_AS = {
    ".npy": _as_npy,
    ".npz": _as_npz,
    ".h5": lambda y, geometry: as_hdf5({"sinogram": y}, {"geometry": geometry}, {"sinogram": {"unit": "metres"}}),
    ".tif": _as_tif,
    ".mat": _as_mat,
}
