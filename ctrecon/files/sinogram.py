"""Sinograms that people bring and take away, with the geometry beside them."""

from pathlib import Path

import h5py
import numpy as np
import scipy.io
import tifffile
import torch
from jaxtyping import Float

from ctrecon.errors import InputError
from ctrecon.files.array import read_array
from ctrecon.files.atomic import replacing, suffix_of, writable
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
    array = read_array(Path(path), name, index)
    views, bins = geometry.shape
    if array.shape == (geometry.scan_views, bins):
        array = array[list(geometry.view_numbers)]
    if array.shape != (views, bins):
        raise InputError(
            f"{path}: sinogram of {array.shape[0]} views x {array.shape[1]} bins, the geometry has {views} x {bins}: "
            "was it made with another conf/geometry?"
        )
    if not array.any():
        raise InputError(f"{path}: all values are zero; expected a measurement")
    return torch.from_numpy(array)[None, None] * UNITS[unit]


def geometry_file(path: str) -> Path:
    """Where the geometry of a sinogram file lies: a YAML of the same name."""
    return Path(path).with_suffix(".yaml")


def check_output(path: str) -> Path:
    """The path of a sinogram to write. Raises InputError or OSError where none can be written there."""
    return writable(path, tuple(_WRITE))


def write_sinogram(path: Path, y: Float[np.ndarray, "A D"]) -> None:
    """Write a sinogram in metres, whole or not at all, in the format of its suffix."""
    with replacing(path) as temporary:
        _WRITE[suffix_of(path)](temporary, np.ascontiguousarray(y, dtype=np.float32))


def _write_hdf5(path: Path, y: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file["sinogram"] = y
        file["sinogram"].attrs["unit"] = "metres"


_WRITE = {
    ".npy": lambda path, y: np.save(path, y),
    ".npz": lambda path, y: np.savez(path, sinogram=y),
    ".h5": _write_hdf5,
    ".tif": lambda path, y: tifffile.imwrite(path, y),
    ".mat": lambda path, y: scipy.io.savemat(path, {"sinogram": y}),
}
