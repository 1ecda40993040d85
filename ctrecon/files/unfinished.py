"""A stack of images that is being made: what is done lies beside where it will be, so that a stopped command goes on.

The file is one line of JSON, which says of what, and then the images in single precision, in their order. It only grows, so what it
holds is done, and a group of images that did not arrive whole is made again.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ctrecon.disk.atomic import folder_of
from ctrecon.disk.difference import differences
from ctrecon.disk.reading import MOST_TEXT
from ctrecon.errors import InputError
from ctrecon.files.image_format import VALUE, Images

SUFFIX = ".unfinished"
MOST, MOST_LETTERS = 3, 300  # of what differs that are said


class Unfinished:
    """The images so far.

    Args:
        path: Where the stack will be.
        shape: (N, H, W) of it.
        plan: What gives it, as JSON holds it: goes on only where that is the same.
        overwrite: Whether what another plan left may be replaced.

    Raises:
        InputError: Something else is there, or what another plan left.
        OSError: Nothing can be written there.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], plan: dict[str, Any], overwrite: bool) -> None:
        beside = folder_of(path) or path
        self.path, self.shape = beside.with_name(beside.name + SUFFIX), shape
        self._header = json.dumps({"images": shape, "plan": plan}, sort_keys=True).encode() + b"\n"
        self._bytes = shape[1] * shape[2] * VALUE.itemsize
        there = self._first_line()
        if there != self._header:
            if there and not overwrite:
                raise InputError(
                    f"{self.path}: is what another command left ({_difference(there, self._header)}); expected the same command to go on: say "
                    "overwrite=true to begin again"
                )
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(self._header)
        self._done = min((self.path.stat().st_size - len(self._header)) // self._bytes, shape[0])

    def __len__(self) -> int:
        """How many images are done."""
        return self._done

    def keep(self, done: int) -> None:
        """Keep so many of the images that are done, and make the others again."""
        self._done = min(done, self._done)
        with self.path.open("r+b") as file:
            file.truncate(len(self._header) + self._done * self._bytes)

    def append(self, images: np.ndarray) -> None:
        """The next images (K, H, W). Raises InputError where another process writes here too."""
        with self.path.open("ab") as file:
            if file.tell() != len(self._header) + self._done * self._bytes:
                raise InputError(f"{self.path}: another process writes the same stack; expected one: wait for it, or stop it")
            file.write(np.ascontiguousarray(images, VALUE).data)
        self._done += len(images)

    def missing(self) -> list[int]:
        """Which of those that are done are NaN, because they could not be made."""
        return [number for number, image in enumerate(self._each(self._done)) if np.isnan(image).any()]

    def images(self) -> Images:
        """All of them, read one by one. Raises InputError where some are not done."""
        return Images(self.shape, self._each(self.shape[0]))

    def remove(self) -> None:
        """It is done and written elsewhere."""
        self.path.unlink()

    def _each(self, count: int) -> Iterator[np.ndarray]:
        with self.path.open("rb") as file:
            file.seek(len(self._header))
            for _ in range(count):
                content = file.read(self._bytes)
                if len(content) != self._bytes:
                    raise InputError(f"{self.path}: ends early; expected {self.shape[0]} images: give the same command again")
                yield np.frombuffer(content, VALUE).reshape(self.shape[1:])

    def _first_line(self) -> bytes:
        """The line of what is there, which may be broken off; empty: nothing is there."""
        if not self.path.exists():
            return b""
        if not self.path.is_file():
            raise InputError(f"{self.path}: is a folder; expected what an unfinished stack left, or nothing: remove it")
        with self.path.open("rb") as file:
            line = file.readline(MOST_TEXT)
        return b"" if self._header.startswith(line) and line != self._header else line


def _difference(there: bytes, here: bytes) -> str:
    """What differs between two plans, in a few words."""
    try:
        found = list(differences(*map(json.loads, (there, here))))
    except (ValueError, RecursionError):
        return "or no stack at all"
    return "; ".join(found[:MOST])[:MOST_LETTERS]
