"""Reading HDF5 files of others, errors in one line, and writing our own."""

import io
from pathlib import Path

import h5py
import numpy as np

from ctrecon.errors import InputError


def open_hdf5(path: str | Path) -> h5py.File:
    """The file, open for reading. Raises InputError where it is missing, truncated or something else."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; expected an HDF5 file")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file ({error}); is it complete?") from None


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset of that name. Raises InputError where there is none."""
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{file.filename}: no dataset {name!r}; it has {', '.join(_datasets(file)) or 'none'}")
    return found


def texts(file: h5py.File, name: str) -> list[str]:
    """A dataset of strings or numbers as strings."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in dataset(file, name)[:]]


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None)
    return names


def as_hdf5(arrays: dict[str, np.ndarray]) -> bytes:
    """An HDF5 file with these data sets, to be written to the disk by Python: h5py swallows the error of a full one."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return content.getvalue()
