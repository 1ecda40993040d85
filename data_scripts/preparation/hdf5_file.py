"""Writing gathered rows as an HDF5 file that is right, or not at all.

HDF5 on a full disk crashes its process at the end, and h5py may not say a word before. So the file is written in a process of its own,
and read again from the disk before it counts.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from ctrecon.disk.atomic import write_text
from ctrecon.errors import InputError
from preparation.apart import Failed, apart
from preparation.card import sha256_of

Arrays = dict[str, tuple[str, tuple[int, ...]]]  # name: type and shape of a row


@dataclass(frozen=True)
class Layout:
    """What a file holds.

    Attributes:
        arrays: Type and shape of each array's rows, whose bytes lie one after another in `NAME.bin` beside the file.
        columns: An entry a row, by name: texts, numbers or lists of numbers.
        units: Attribute `unit` of datasets.
        attributes: Of the file; `sha256` is the checksum of its content.
    """

    arrays: Arrays
    columns: dict[str, list[Any]]
    units: dict[str, str]
    attributes: dict[str, str]


def write_hdf5(path: Path, layout: Layout) -> None:
    """Write a file and read it again.

    Raises:
        InputError: It could not be written, or is not what was to be written: then there is no file.
        OSError: The disk is full.
    """
    words = path.with_suffix(".json")
    try:
        write_text(words, json.dumps(asdict(layout)))
        rows = len(layout.arrays) * len(next(iter(layout.columns.values())))
        for _ in tqdm(apart("hdf5_file.write", str(path), str(words)), desc="writing", total=rows, unit="row", disable=None):
            pass
        with path.open("rb+") as written:
            os.fsync(written.fileno())
        _check(path, layout)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, Failed):
            raise InputError(f"cannot be written ({error}); is there space?") from None
        raise
    finally:
        words.unlink(missing_ok=True)


def write(path: str, words: str) -> Iterator[str]:
    """Write the file; yields a line a row. Called by `write_hdf5` in a process of its own."""
    layout = json.loads(Path(words).read_text())
    number = len(next(iter(layout["columns"].values())))
    with h5py.File(path, "w") as file:
        for name, (kind, shape) in layout["arrays"].items():
            rows = file.create_dataset(
                name, (number, *shape), kind, chunks=(1, *shape), compression="gzip", compression_opts=1, shuffle=True
            )
            for row, array in enumerate(gathered(Path(path).with_name(f"{name}.bin"), kind, shape, number)):
                rows[row] = array
                yield f"{name} {row}"
        for name, column in layout["columns"].items():
            file[name] = column
        for name, unit in layout["units"].items():
            file[name].attrs["unit"] = unit
        file.attrs.update(layout["attributes"])


def gathered(path: Path, kind: str, shape: tuple[int, ...], number: int) -> np.ndarray:
    """The rows whose bytes lie one after another in a file."""
    return np.memmap(path, dtype=kind, mode="r", shape=(number, *shape))


def _check(path: Path, layout: Layout) -> None:
    """Raises InputError where the file on the disk is not what the layout says."""
    try:
        with h5py.File(path, "r") as file:
            units = {name: file[name].attrs["unit"] for name in layout.units}
            same = dict(file.attrs) == layout.attributes and units == layout.units
            same = same and sha256_of(file) == layout.attributes["sha256"]
    except Exception as error:  # h5py raises many kinds of a damaged file
        raise Failed(f"cannot be read again: {str(error).split(chr(10))[0]}") from None
    if not same:
        raise Failed("read again, it is not what was written")
