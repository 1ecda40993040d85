"""An HDF5 file that grows row by row and survives being killed.

HDF5 files break when their writer is killed. So rows are gathered beside the file, in `FILE.h5.part/`: each array's bytes one row
after another in `NAME.bin`, and a journal with a line an item, written after its bytes. What the journal does not have did not
happen. When all items are done the file is written from there whole, and the folder removed.
"""

import hashlib
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from ctrecon.disk.atomic import write_text
from ctrecon.errors import InputError
from preparation.card import Card, count, read_card, sha256_of, show
from preparation.hdf5_file import Arrays, Layout, gathered, write_hdf5
from preparation.journal import damaged, line_of, read_entries


class Rejected(Exception):
    """An item that makes no row. The message is the reason, counted in the card."""


def already_made(out: Path, card: Card) -> bool:
    """Whether the file is there; says so. Raises InputError where it is there with another selection."""
    if not out.exists():
        return False
    told, counts = read_card(out)
    if told["selection"] != card.selection:
        raise InputError(f"{out}: made with another selection ({told['selection']}); remove it, or choose another --out")
    print(f"{out}: already done, {counts['rows']} rows of {counts['patients']} patients")
    shutil.rmtree(_part(out), ignore_errors=True)  # killed just when it was done
    return True


@contextmanager
def growing(out: Path, card: Card, arrays: Arrays, items: dict[str, Any]) -> Iterator["RowFile"]:
    """The rows gathered so far, to go on with. They stay when the block fails, unless there are none.

    Args:
        out: The file in the end.
        card: What the rows are.
        arrays: Type and shape of each array's rows.
        items: What the rows come from, by name, in order.

    Raises:
        InputError: The rows there were gathered with another selection or from other items, or another process is gathering.
    """
    part = _part(out)
    part.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(part / "lock", timeout=0):
            file = RowFile(out, part, card, arrays, items)
            try:
                yield file
            finally:
                file.close()
                if file.finished or not file.rows:
                    shutil.rmtree(part)
    except Timeout:
        raise InputError(f"{out}: another process is making it; wait for that, or choose another --out") from None


class RowFile:
    """Rows and rejections, by item. Made by `growing`."""

    def __init__(self, out: Path, part: Path, card: Card, arrays: Arrays, items: dict[str, Any]) -> None:
        self.out, self.part, self.card, self.arrays, self.items = out, part, card, arrays, items
        self.done: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []
        self.finished = False
        journal = part / "journal.jsonl"
        entries = read_entries(journal)
        self._bytes = {name: (part / f"{name}.bin").open("ab") for name in arrays}
        whole = min(file.tell() // self._size(name) for name, file in self._bytes.items())
        names = "\n".join(items).encode()
        begun = {
            "selection": card.selection,
            "arrays": {name: [kind, list(shape)] for name, (kind, shape) in arrays.items()},
            "items": f"{len(items)} with sha256 {hashlib.sha256(names).hexdigest()}",
        }
        first, *entries = entries or [begun]
        for key, value in begun.items():
            if first.get(key) != value:
                raise InputError(
                    f"{part}: begun with other {key} ({first.get(key)}; now {value}): remove it, or choose another --out"
                )
        for entry in entries:
            if "row" in entry and len(self.rows) == whole:
                break  # its bytes are not all there
            self._note(entry)
        for name, file in self._bytes.items():
            file.truncate(len(self.rows) * self._size(name))
        write_text(journal, "".join(map(line_of, [begun, *self.done.values()])))
        self._journal = journal.open("a")

    def fill(self, read: Callable[[Any], tuple[dict[str, np.ndarray], dict[str, Any]]]) -> None:
        """Read the items that are not there yet, with a progress bar.

        Args:
            read: Gives an item's arrays and the entries of its columns, such as its patient, or raises Rejected.

        Raises:
            InputError: An array is of another shape, or holds values that are NaN or infinite as they are stored.
        """
        for name, item in tqdm(self.items.items(), desc=self.out.name, unit="item", disable=None):
            if name in self.done:
                continue
            try:
                arrays, row = read(item)
            except Rejected as reason:
                self._enter({"item": name, "rejected": str(reason)})
                continue
            checksums = {}
            for key, (kind, shape) in self.arrays.items():
                array = np.ascontiguousarray(arrays[key])
                if array.shape != tuple(shape):
                    raise InputError(f"{name}: {key} of shape {array.shape}; expected {tuple(shape)} like the first")
                with np.errstate(over="ignore", invalid="ignore"):
                    stored = array.astype(kind)
                if not (np.isfinite(array).all() and np.isfinite(stored).all()):
                    raise InputError(
                        f"{name}: {key} with values that are NaN or infinite as {kind}; expected finite numbers: leave this one out"
                    )
                checksums[key] = zlib.crc32(stored)
                self._bytes[key].write(stored.tobytes())
                self._bytes[key].flush()
            self._enter({"item": name, "row": row, "crc": checksums})

    def finish(self, attributes: dict[str, str], units: dict[str, str], rejected: Counter[str] | None = None) -> None:
        """Write the file, and print its counts.

        Args:
            attributes: Of the file, beside the card.
            units: Attribute `unit` of datasets.
            rejected: What was left out before, by reason.

        Raises:
            InputError: There is no row, a gathered row is damaged, or the file cannot be written. What was there before stays.
        """
        rejected = (rejected or Counter()) + Counter(entry["rejected"] for entry in self.done.values() if "rejected" in entry)
        if not self.rows:
            reasons = ", ".join(f"{number} {reason}" for reason, number in rejected.most_common()) or "none"
            raise InputError(f"{self.out}: nothing to write; rejected: {reasons}; expected at least one")
        counts = count(self.rows, rejected)
        arrays = self._gathered()
        columns = {name: [row[name] for row in self.rows] for name in self.rows[0]}
        card = self.card.filled(counts, sha256_of(arrays | columns))
        whole = self.part / "whole.h5"
        try:
            write_hdf5(whole, Layout(self.arrays, columns, units, attributes | card))
        except InputError as error:
            raise InputError(f"{self.out}: {error} The rows are kept in {self.part}: start again to go on") from None
        whole.replace(self.out)
        self.finished = True
        show(self.out, counts)

    def close(self) -> None:
        """Let go of the gathered rows."""
        for file in (self._journal, *self._bytes.values()):
            file.close()

    def _note(self, entry: dict[str, Any]) -> None:
        self.done[entry["item"]] = entry
        if "row" in entry:
            self.rows.append(entry["row"])

    def _enter(self, entry: dict[str, Any]) -> None:
        self._note(entry)
        self._journal.write(line_of(entry))
        self._journal.flush()

    def _size(self, name: str) -> int:
        kind, shape = self.arrays[name]
        return np.dtype(kind).itemsize * int(np.prod(shape))

    def _gathered(self) -> dict[str, np.ndarray]:
        """The gathered rows. Raises InputError where one is not what was gathered."""
        arrays = {}
        for name, (kind, shape) in self.arrays.items():
            arrays[name] = gathered(self.part / f"{name}.bin", kind, shape, len(self.rows))
        rows = iter(range(len(self.rows)))
        for line, entry in enumerate(self.done.values(), 2):
            if "row" in entry:
                row = next(rows)
                if entry["crc"] != {name: zlib.crc32(array[row]) for name, array in arrays.items()}:
                    raise damaged(self.part / "journal.jsonl", line, 1 + len(self.done))
        return arrays


def _part(out: Path) -> Path:
    return out.with_name(out.name + ".part")
