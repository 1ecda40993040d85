"""The data card: where data come from, what was chosen, and how to tell that they are whole."""

import hashlib
import json
import shlex
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ctrecon.disk.hdf5 import dataset
from ctrecon.errors import InputError
from preparation.apart import Failed, apart

MEMORY = 2**33  # bytes that reading a file may take: its rows are read one by one
SECONDS, SLOWEST = 60, 10**6  # that it may take, and bytes a second beside that: damaged files can hold HDF5 for ever


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


def sha256_of(rows: Mapping[str, Any]) -> str:
    """Checksum of datasets, by name, each row after row: the same however the file was chunked or interrupted.

    Args:
        rows: Datasets of an HDF5 file, or arrays and lists of texts that are to be its datasets, by name.
    """
    digest = hashlib.sha256()
    for name in sorted(rows):
        given = dataset(rows, name) if isinstance(rows, h5py.File) else np.asarray(rows[name])
        text = given.dtype.kind == "U" or h5py.check_string_dtype(given.dtype) is not None
        digest.update(f"{name} {'text' if text else given.dtype.str} {given.shape}\n".encode())
        for row in given if given.ndim > 2 else given[:]:
            digest.update((row.encode() if isinstance(row, str) else row) + b"\n" if text else row.tobytes())
    return digest.hexdigest()


def read_card(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The card of a file, and its counts. Raises InputError where the file is damaged, or no script made it."""
    return checked_card(json.loads(_read_apart("card.texts_of", path)), path)


def texts_of(path: str) -> list[str]:
    """The attributes of a file that are texts, as JSON. Called in a process of its own: a damaged file can crash HDF5."""
    with h5py.File(path, "r") as file:
        return [json.dumps({name: text for name, text in file.attrs.items() if isinstance(text, str)})]


def _read_apart(function: str, path: Path) -> str:
    """What a function of this module says of a file. Raises InputError where it cannot be read."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected one that a script of data_scripts made")
    try:
        (line,) = apart(function, str(path), memory=MEMORY, seconds=SECONDS + path.stat().st_size // SLOWEST)
    except Failed as error:
        raise InputError(f"{path}: cannot be read ({error}); is it complete? Remove it and make it again") from None
    return line


def checked_card(told: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A card that was read, and its counts. Raises InputError where something of it is missing or of the wrong kind."""
    told = told if isinstance(told, dict) else {}
    texts = {name: told.get(name) for name in ("selection", "counts", "sha256")}
    wrong = [name for name, text in texts.items() if not isinstance(text, str)]
    try:
        counts = json.loads(texts["counts"]) if not wrong else None
    except (ValueError, RecursionError):
        counts = None
    if not isinstance(counts, dict) or not {"rows", "patients"} <= set(counts):
        raise InputError(
            f"{path}: no data card in it ({', '.join(wrong) or 'counts'} missing or damaged); expected a file that a script of "
            "data_scripts made: remove it, or choose another --out"
        )
    return told, counts


def verify(path: Path) -> None:
    """Print that a file's content is what its card says. Raises InputError where it is not, or there is no card."""
    told, _ = read_card(path)
    compare(path, _read_apart("card.found_sha256", path), told["sha256"])


def found_sha256(path: str) -> list[str]:
    """The checksum of a file's content. Called in a process of its own, as `texts_of`."""
    with h5py.File(path, "r") as file:
        return [sha256_of(file)]


def compare(path: Path, found: str, expected: str) -> None:
    """Print that a checksum is the expected one. Raises InputError where it is not."""
    if found != expected:
        raise InputError(f"{path}: its content has sha256 {found}, its card says {expected}; remove it and make it again")
    print(f"{path}: as its card says, sha256 {found}")
