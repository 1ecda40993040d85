"""Reading HDF5 files of others, errors in one line, and writing our own.

What a file holds is in it: links to other files, and arrays stored in them, are refused, since they would read whatever lies on this
machine.
"""

import io
import math
from collections.abc import Mapping
from itertools import islice, product
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ctrecon.disk.reading import DEFLATE, MOST_VALUES, check_declared, check_inflated, reading
from ctrecon.disk.table import one_line
from ctrecon.errors import InputError

KIND = "HDF5"
MOST_ROWS = 2**24  # of a column of texts
SMALL = 2**28  # bytes that a chunk may take, without a look at whether it says so
NO_PACKERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)  # filters that do not compress


def open_hdf5(path: str | Path) -> h5py.File:
    """The file, open for reading. Raises InputError where it is missing, truncated or something else."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; expected an HDF5 file")
    with reading(path, KIND):
        if not h5py.is_hdf5(path):
            raise InputError(f"{path}: is not in HDF5 format; expected an HDF5 file")
        return h5py.File(path, "r")


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset of that name. Raises InputError where there is none, or it lies in another file."""
    with reading(file.filename, KIND):
        found: Any = file
        for part in filter(None, name.split("/")):
            link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
            if link is not None and not isinstance(link, h5py.HardLink):
                raise InputError(f"{file.filename}: {name} is a link to {link.path}; expected a dataset in this place of this file")
            found = found.get(part) if link is not None else None
        if not isinstance(found, h5py.Dataset):
            raise InputError(f"{file.filename}: no dataset {name!r}; it has {', '.join(islice(_datasets(file), 20)) or 'none'}")
        if found.external or found.is_virtual:
            raise InputError(f"{file.filename}: {name} is stored in other files; expected it in this one: copy it there first")
        if found.shape is None:
            raise InputError(f"{file.filename}: {name} is empty; expected an array")
        return found


def holds(file: h5py.File, name: str) -> bool:
    """Whether something of that name is in the file."""
    with reading(file.filename, KIND):
        return name in file


def numbers(found: h5py.Dataset, row: int | slice | None = None) -> np.ndarray:
    """A dataset of real numbers, or some of its rows, as stored. Raises InputError where it cannot be read, or is too large."""
    where = f"{found.file.filename}: {found.name.strip('/')}" + (f" {row}" if isinstance(row, int) else "")
    with reading(where, KIND):
        rows = slice(None) if row is None else row
        shape = (
            found.shape if row is None else (*((len(range(len(found))[row]),) if isinstance(row, slice) else ()), *found.shape[1:])
        )
        check_declared(shape, found.dtype, where)
        _check_chunks(found, rows, where)
        return found[rows]


def _check_chunks(found: h5py.Dataset, rows: int | slice, where: str) -> None:
    """Raises InputError where a chunk is too large: HDF5 decompresses each whole, however much that is."""
    if found.chunks is None:
        return
    size = math.prod(found.chunks) * found.dtype.itemsize
    if size > MOST_VALUES:
        raise InputError(f"{where}: stored in chunks of {size} bytes; expected at most {MOST_VALUES}: store it in smaller ones")
    layout = found.id.get_create_plist()
    packers = [k for k in range(layout.get_nfilters()) if layout.get_filter(k)[0] not in NO_PACKERS]
    if len(packers) > 1:
        raise InputError(f"{where}: compressed {len(packers)} times; expected once")
    if found.compression != "gzip":  # others make little of few bytes, or are not there
        return
    touched = range(len(found))[rows] if isinstance(rows, slice) else [rows]
    starts = sorted({row - row % found.chunks[0] for row in touched})
    others = [range(0, length, step) for length, step in zip(found.shape[1:], found.chunks[1:], strict=True)]
    for corner in product(starts, *others):
        try:
            _mask, packed = found.id.read_direct_chunk(corner)
        except (OSError, RuntimeError, ValueError):  # was never written
            continue
        if len(packed) * DEFLATE > max(size, SMALL):
            check_inflated(packed, size + 8, where)  # a checksum may be in it


def texts(file: h5py.File, name: str) -> list[str]:
    """A column of texts or numbers as texts, each on one line. Raises InputError where there is none."""
    found = dataset(file, name)
    with reading(file.filename, KIND):
        if found.ndim != 1 or len(found) > MOST_ROWS:
            raise InputError(f"{file.filename}: {name} of shape {found.shape}; expected a list of at most {MOST_ROWS} texts")
        if found.dtype.kind not in "iuSUO" or (found.dtype.kind == "O" and h5py.check_string_dtype(found.dtype) is None):
            raise InputError(f"{file.filename}: {name} of type {found.dtype}; expected texts")
        return [one_line(value) for value in found[:]]


def attribute(file: h5py.File, name: str, of: h5py.Dataset | None = None) -> str | None:
    """An attribute that is one text, of the file or of one of its datasets; None where there is none."""
    with reading(file.filename, KIND):
        attributes = file.attrs if of is None else of.attrs
        value = attributes.get(name)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, node: names.append(one_line(name)) if isinstance(node, h5py.Dataset) else None)
    return names


def check_ours(path: Path, name: str) -> None:
    """Raises InputError where an HDF5 file is there that holds something else than the one array that would take its place."""
    if h5py.is_hdf5(path) and path.stat().st_size:
        with open_hdf5(path) as file, reading(path, KIND):
            found = [one_line(one) for one in islice(file, 20)]
            if found != [name]:
                raise InputError(f"out={path}: holds {', '.join(found)}, and would be lost; remove it or choose another name")


def as_hdf5(
    arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any] | None = None, of: Mapping[str, Mapping[str, Any]] | None = None
) -> bytes:
    """An HDF5 file, to be written to the disk by Python: h5py swallows the error of a full one.

    Args:
        arrays: Its data sets by name.
        attributes: Of the file.
        of: Attributes of data sets, by name.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, array in arrays.items():
            file[name] = array
            file[name].attrs.update((of or {}).get(name, {}))
        file.attrs.update(attributes or {})
    return content.getvalue()


def reserve(path: Path, name: str, shape: tuple[int, ...], attributes: Mapping[str, Any]) -> int:
    """Write an HDF5 file with one data set of single precision whose values are not written yet.

    They are written in their order by Python, which says when the disk is full, from the returned place in the file on. A header that
    did not arrive on a full disk leaves no place for them either.

    Args:
        path: The file.
        name: Of the data set.
        shape: Of it.
        attributes: Of it.

    Returns:
        Where its values begin, in bytes.
    """
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, "w") as file:
        made = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(shape), layout)
        file[name].attrs.update(attributes)
        return made.get_offset()
