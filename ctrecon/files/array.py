"""Reading the array in somebody's file, by its suffix."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ctrecon.disk.reading import as_numbers, check_declared, reading
from ctrecon.errors import InputError
from ctrecon.files.label import Label
from ctrecon.files.stored import OPEN, check_counts

Shape = tuple[int, int]
SMALLEST = 4  # rows and columns of an image


class ArrayFile:
    """An open .npy, .npz, .h5, .hdf5, .mat, .tif, .tiff or .png file with an array, or a stack of arrays along its first dimension.

    Args:
        path: The file.
        name: Name of the array, where the file holds several.

    Raises:
        InputError: The file is missing, unreadable, or has no such array.
    """

    def __init__(self, path: Path, name: str) -> None:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        self.path, suffix = path, path.suffix.lower()
        if suffix not in OPEN:
            raise InputError(f"{path}: suffix {suffix or 'missing'}; expected one of {' '.join(OPEN)}")
        self._whole: np.ndarray | None = None
        with reading(path, suffix), ExitStack() as opening:
            self._stored = OPEN[suffix](path, name, opening)
            check_counts(self._stored.shape, path)
            self._open = opening.pop_all()

    def __enter__(self) -> "ArrayFile":
        return self

    def __exit__(self, *_) -> None:
        self._open.close()

    def __len__(self) -> int:
        """How many arrays can be asked for: as many as a stack has, one where there is no stack."""
        return self._stored.shape[0] if len(self._stored.shape) == 3 else 1

    def read(self, index: int | None, check: Callable[[Shape], None]) -> tuple[Float[np.ndarray, "H W"], Label]:
        """One array in single precision, and what the file says of it.

        Args:
            index: Which entry of a stack; None: the file holds one array, or a stack of one.
            check: Raises InputError where an array of that shape is not the wanted one. It is asked before anything is read.

        Raises:
            InputError: There is no such array of finite real numbers, or it cannot be read.
        """
        stored, path = self._stored, self.path
        if len(stored.shape) == 3:
            index = chosen(index, stored.shape[0], path)
        elif len(stored.shape) != 2 or index is not None:
            raise InputError(f"{path}: an array of shape {stored.shape}; expected two dimensions, or three with index=N")
        check(stored.shape[-2:])
        check_declared(stored.shape if stored.whole else stored.shape[-2:], stored.dtype, path)
        with reading(path, path.suffix.lower()):
            array = self._one(index)
            if array.shape != stored.shape[-2:]:
                raise ValueError(f"{array.shape} instead of {stored.shape[-2:]} values")
            return as_numbers(array, path), stored.label

    def _one(self, index: int | None) -> np.ndarray:
        if index is None or not self._stored.whole:
            return self._stored.read(index)
        if self._whole is None:  # kept: the next of the stack will be asked for
            self._whole = self._stored.read(None)
        return self._whole[index]


def read_array(path: Path, name: str, index: int | None, check: Callable[[Shape], None]) -> tuple[Float[np.ndarray, "H W"], Label]:
    """One array of a file. Arguments, results and errors are those of `ArrayFile`."""
    with ArrayFile(path, name) as file:
        return file.read(index, check)


def count(path: Path, name: str) -> int:
    """How many arrays `read_array` can be asked for. Raises InputError as it does."""
    with ArrayFile(path, name) as file:
        return len(file)


def chosen(index: int | None, size: int, path: Path | str) -> int:
    """Which of a stack. Raises InputError where it is not said, and there are several, or out of range."""
    if index is None and size > 1:
        raise InputError(f"{path}: a stack of {size}; say which with index=N, 0 to {size - 1}")
    if not 0 <= (index or 0) < size:
        raise InputError(f"index={index}: {path} holds {size}; expected 0 to {size - 1}")
    return index or 0


def check_square(shape: tuple[int, ...], where: str) -> None:
    """Raises InputError where an image is not square, or too small."""
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < SMALLEST:
        raise InputError(f"{where}: an image of shape {' x '.join(map(str, shape))}; expected a square one: cut or pad it")


def square_side(pixels: int, down: float, across: float, where: str) -> float:
    """Side in metres of an image whose pixels have that height and width. Raises InputError where they are not square."""
    if not (np.isfinite([down, across]).all() and down > 0 and abs(across / down - 1) < 1e-3):
        raise InputError(f"{where}: pixels of {1000 * down:.6g} x {1000 * across:.6g} mm; expected square ones: resample it first")
    return float(pixels * down)


def as_image(array: np.ndarray, where: str) -> Float[Tensor, "1 1 M M"]:
    """An array (M, M) as an image. Raises InputError where it is not square or not of finite real numbers."""
    check_square(array.shape, where)
    return torch.from_numpy(as_numbers(array, where))[None, None]
