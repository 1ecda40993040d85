"""Sinograms that people bring and take away, with the geometry beside them."""

from pathlib import Path

import h5py
import numpy as np
import scipy.io
import tifffile
import torch
from jaxtyping import Float

from ctrecon.disk.atomic import replacing, suffix_of, writable, write_text
from ctrecon.disk.hdf5 import open_hdf5
from ctrecon.errors import InputError
from ctrecon.files.array import HDF5, read_array, read_named
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram

UNITS = {"metres": 1.0, "log": 1.0 / MU_MAX}  # factor to metres


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
    y = torch.from_numpy(geometry.used(read_array(Path(path), name, index)))[None, None]
    geometry.check(y, f"{path}: sinogram")
    if not y.any():
        raise InputError(f"{path}: all values are zero; expected a measurement")
    return y * UNITS[unit]


def told_geometry(path: str) -> tuple[Path, str] | None:
    """The geometry that comes with a sinogram file, as (where it stands, YAML text): a YAML beside it, or `geometry` in the file.

    Files of others use that key for prose: inside a file only a text with a `_target_` counts.
    """
    where = Path(path)
    beside = where.with_suffix(".yaml")
    if beside.is_file():
        return beside, beside.read_text(errors="replace")
    text = _text_inside(where) if where.is_file() else ""
    return (where, text) if "_target_:" in text else None


def _text_inside(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in HDF5:
        with open_hdf5(path) as file:
            return str(file.attrs.get("geometry", ""))
    if suffix in (".npz", ".mat"):
        try:
            return str(read_named(path, "geometry").item())
        except Exception:  # none in it, or not one text, or not readable: reading the sinogram will tell
            return ""
    return ""


def check_output(path: str) -> Path:
    """The path of a sinogram to write. Raises InputError or OSError where none can be written there."""
    return writable(path, tuple(_WRITE))


def write_sinogram(path: Path, y: Float[np.ndarray, "A D"], geometry: str) -> Path:
    """Write a sinogram in metres in the format of its suffix, and its geometry, a YAML text, beside it; returns where that is.

    Formats that hold several things (.npz, .h5, .mat) have the geometry inside too.
    """
    with replacing(path) as temporary:
        _WRITE[suffix_of(path)](temporary, np.ascontiguousarray(y, dtype=np.float32), geometry)
    write_text(path.with_suffix(".yaml"), geometry)
    return path.with_suffix(".yaml")


def _write_hdf5(path: Path, y: np.ndarray, geometry: str) -> None:
    with h5py.File(path, "w") as file:
        file["sinogram"] = y
        file["sinogram"].attrs["unit"] = "metres"
        file.attrs["geometry"] = geometry


_WRITE = {
    ".npy": lambda path, y, geometry: np.save(path, y),
    ".npz": lambda path, y, geometry: np.savez(path, sinogram=y, geometry=geometry),
    ".h5": _write_hdf5,
    ".tif": lambda path, y, geometry: tifffile.imwrite(path, y),
    ".mat": lambda path, y, geometry: scipy.io.savemat(path, {"sinogram": y, "geometry": geometry}),
}
