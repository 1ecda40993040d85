"""The data card: where data come from, what was chosen, and how to tell that they are whole."""

import hashlib
import json
import shlex
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py

from ctrecon.disk.hdf5 import dataset, open_hdf5
from ctrecon.errors import InputError


@dataclass(frozen=True)
class Card:
    """What is known before the work starts.

    Attributes:
        title: Name of the collection.
        source: Where it comes from, with its DOI.
        licence: As its publishers state it.
        citation: The publications that they ask to cite.
        selection: The rule and the options in words. Two files of one selection and source are the same.
        version: Of the collection, where it has one.
    """

    title: str
    source: str
    licence: str
    citation: str
    selection: str
    version: str = ""

    def filled(self, counts: dict[str, Any], sha256: str) -> dict[str, str]:
        """The whole card, as texts."""
        made = {"command": shlex.join(["python", *sys.argv]), "created": datetime.now(UTC).isoformat(timespec="seconds")}
        return {**asdict(self), "counts": json.dumps(counts), **made, "sha256": sha256}


def count(rows: list[dict[str, Any]], rejected: Counter[str]) -> dict[str, Any]:
    """How many rows there are, of how many patients, in which splits, and how many were rejected for which reason."""
    counts: dict[str, Any] = {"rows": len(rows), "patients": len({row["patient"] for row in rows})}
    if "split" in rows[0]:
        counts["by_split"] = dict(Counter(row["split"] for row in rows))
    return counts | {"rejected": dict(sorted(rejected.items()))}


def show(out: Path, counts: dict[str, Any]) -> None:
    """Print the counts as a table."""
    print(f"{out}: {counts['rows']} rows of {counts['patients']} patients")
    rejected = {f"rejected: {reason}": number for reason, number in counts["rejected"].items()}
    for name, number in (counts.get("by_split", {}) | rejected).items():
        print(f"  {number:8d}  {name}")


def sha256_of(file: h5py.File) -> str:
    """Checksum of an HDF5 file's datasets, by name, each row after row: the same however the file was chunked or interrupted."""
    digest = hashlib.sha256()
    for name in sorted(file):
        rows = dataset(file, name)
        text = h5py.check_string_dtype(rows.dtype) is not None
        digest.update(f"{name} {'text' if text else rows.dtype.str} {rows.shape}\n".encode())
        for row in rows if rows.ndim > 2 else rows[:]:
            digest.update(row + b"\n" if text else row.tobytes())
    return digest.hexdigest()


def verify(path: Path) -> None:
    """Print that a file's content is what its card says. Raises InputError where it is not, or there is no card."""
    with open_hdf5(path) as file:
        expected = file.attrs.get("sha256")
        if expected is None:
            raise InputError(f"{path}: no sha256 among its attributes; expected a file that a script of data_scripts made")
        try:
            compare(path, sha256_of(file), expected)
        except OSError as error:
            raise InputError(f"{path}: cannot be read to its end ({error}); remove it and make it again") from None


def compare(path: Path, found: str, expected: str) -> None:
    """Print that a checksum is the expected one. Raises InputError where it is not."""
    if found != expected:
        raise InputError(f"{path}: its content has sha256 {found}, its card says {expected}; remove it and make it again")
    print(f"{path}: as its card says, sha256 {found}")
