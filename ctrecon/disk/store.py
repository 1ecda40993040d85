"""Arrays of one shape that take long to make, kept in a file that many processes read and fill, row by row and in any order.

A row is a checksum and the values, so that a row that was never written, or torn by a crash, does not count. Only the row that is
asked for is mapped into memory: the file may be larger than it.
"""

import math
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

WORD = 4  # bytes of a checksum and of a value


class Store:
    """Rows of float32 arrays.

    Args:
        path: The file, made when the first row is put; rows that were never put take no space on disk.
        shape: Of a row.
    """

    def __init__(self, path: Path, shape: Sequence[int]) -> None:
        self.path, self.shape = path, tuple(shape)
        self._stride = WORD * (1 + math.prod(shape))

    def get(self, row: int) -> np.ndarray | None:
        """A copy of the row; None where it is not there whole."""
        try:
            record = np.memmap(self.path, np.uint32, "r", row * self._stride, (self._stride // WORD,))
        except (OSError, ValueError):  # no file, or one that ends before
            return None
        return np.array(record[1:]).view(np.float32).reshape(self.shape) if record[0] == zlib.crc32(record[1:]) else None

    def put(self, row: int, array: np.ndarray) -> None:
        """Keep a row. Where nothing can be written, nothing is kept."""
        values = np.ascontiguousarray(array, dtype=np.float32).tobytes()
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                os.pwrite(handle, np.uint32(zlib.crc32(values)).tobytes() + values, row * self._stride)
            finally:
                os.close(handle)
