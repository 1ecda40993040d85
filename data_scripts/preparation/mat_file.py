"""MATLAB's files, of version 5 and of version 7.3, which is HDF5."""

from pathlib import Path
from typing import Any

import h5py
import scipy.io

from ctrecon.errors import InputError


def read_mat(path: Path) -> dict[str, Any]:
    """What a .mat file holds, structs as dictionaries. Raises InputError where it cannot be read."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a .mat file")
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                return _plain(file)
        return {name: value for name, value in scipy.io.loadmat(path, simplify_cells=True).items() if not name.startswith("__")}
    except Exception as error:  # scipy's readers raise many kinds
        reason = str(error).split("\n")[0] or type(error).__name__
        raise InputError(f"{path}: not a readable .mat file ({reason}); is it complete?") from None


def _plain(group: h5py.Group) -> dict[str, Any]:
    """MATLAB stores columns first: arrays are transposed here."""
    found = {name: node for name, node in group.items() if not name.startswith("#")}
    return {name: _plain(node) if isinstance(node, h5py.Group) else node[()].T for name, node in found.items()}
