"""MATLAB's files, of version 5 and of version 7.3, which is HDF5.

Neither reader can be trusted with a hostile file: SciPy's crashes on cells nested some thousand deep, and both believe the sizes that a
file declares. They work in a process of their own, which hands over plain arrays of numbers.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ctrecon.errors import InputError
from preparation.apart import Failed, apart

MEMORY = 2**31  # bytes, of addresses: Python and its libraries take a quarter of that
SECONDS = 120


def read_mat(path: Path) -> dict[str, Any]:
    """The arrays of numbers in a .mat file, structs as dictionaries; its texts and cells are left out.

    Raises:
        InputError: It cannot be read, or takes more memory or time than such a file may.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a .mat file")
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        try:
            (names,) = apart("mat_file.convert", str(path), str(arrays), memory=MEMORY, seconds=SECONDS)
        except Failed as reason:
            raise InputError(f"{path}: not a readable .mat file ({reason}); is it complete?") from None
        found: dict[str, Any] = {}
        with np.load(arrays, allow_pickle=False) as stored:
            for number, (*structs, name) in enumerate(json.loads(names)):
                inner = found
                for struct in structs:
                    inner = inner.setdefault(struct, {})
                if name is not None:
                    inner[name] = stored[f"arr_{number}"]
    return found


def convert(path: str, arrays: str) -> list[str]:
    """Write a .mat file's arrays to an .npz file, one after another; returns the list of their names, structs' names before.

    A struct also stands there by itself, followed by null, so that empty ones are told.
    """
    content = _plain(h5py.File(path, "r"), []) if h5py.is_hdf5(path) else _version_5(path)
    leaves = list(_leaves(content, []))
    np.savez(arrays, *(array for _, array in leaves))
    return [json.dumps([names for names, _ in leaves])]


def _version_5(path: str) -> dict[str, Any]:
    import scipy.io

    return {name: value for name, value in scipy.io.loadmat(path, simplify_cells=True).items() if not name.startswith("__")}


def _plain(group: h5py.Group, above: list[h5py.Group]) -> dict[str, Any]:
    """A group's content. MATLAB stores columns first: arrays are transposed here."""
    found: dict[str, Any] = {}
    for name in group:
        if name.startswith("#"):
            continue
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link to somewhere else")
        node = group[name]
        if isinstance(node, h5py.Group):
            if node in above:
                raise ValueError(f"{name} holds itself")
            found[name] = _plain(node, [*above, group])
        elif isinstance(node, h5py.Dataset):
            if node.external:
                raise ValueError(f"{name} is stored in another file")
            found[name] = node[()].T if node.shape is not None else None
    return found


def _leaves(content: dict[str, Any], above: list[str]):
    """The arrays of numbers by their names, and each struct, with an empty array, by its name and None."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield [*above, name, None], np.empty(0)
            yield from _leaves(value, [*above, name])
        elif np.asarray(value).dtype.kind in "biuf":
            yield [*above, name], np.asarray(value)
