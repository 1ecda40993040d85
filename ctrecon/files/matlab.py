"""MATLAB's files of level 4 and 5 (`save -v4`, `-v6`, `-v7`): arrays of real numbers, and texts.

SciPy's reader believes what a file of level 5 says about itself, and a hostile one ends the interpreter. So the elements of level 5 are
read here: an element is a type, a number of bytes and as many bytes; a variable is an element that holds, one after another, its flags,
its dimensions, its name and its values, columns first. Cells, structs, sparse arrays and complex numbers are not read.

Source: MathWorks, MAT-File Format, chapter 1.
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctrecon.disk.reading import MOST_TEXT, MOST_VALUES, check_declared
from ctrecon.disk.table import one_line
from ctrecon.errors import InputError

HEADER = 128  # bytes at the beginning
LONGEST = 63  # characters of a name in MATLAB
MATRIX, COMPRESSED = 14, 15  # types of elements
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8", 16: "u1", 17: "u2", 18: "u4"}
NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}  # classes of arrays
TEXT, LOGICAL, COMPLEX = 4, 0x200, 0x800
ENCODING = {1: "utf-8", 2: "utf-8", 16: "utf-8", 4: "utf-16", 17: "utf-16", 18: "utf-32"}  # of texts


@dataclass(frozen=True)
class Variable:
    """A variable of a file.

    Attributes:
        name: Its name.
        shape: As declared.
        dtype: As declared; of a text that of its characters.
        read: Reads its values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]


def variable(path: Path, name: str) -> Variable:
    """The variable of that name.

    Raises:
        InputError: There is none.
        ValueError: The file is damaged, or the variable is of another kind.
    """
    names = []
    for found in _variables(path):
        if found.name == name:
            return found
        names.append(found.name)
    raise InputError(f"{path}: no array {name!r}; it has {', '.join(names[:20]) or 'none'}")


def _variables(path: Path) -> Iterator[Variable]:
    with path.open("rb") as file:
        header = file.read(HEADER)
        if 0 in header[:4]:
            yield from _level_4(path)
            return
        if len(header) < HEADER or header[126:] not in (b"IM", b"MI"):
            raise ValueError("no MATLAB file")
        order = "<" if header[126:] == b"IM" else ">"
        if header[125 if order == "<" else 124] != 1:
            raise ValueError("a file of MATLAB 7.3: save it with -v7, or as .h5")
        while len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(order + "II", tag)
            if size > path.stat().st_size - file.tell():
                raise ValueError("truncated")
            start = file.tell()

            def content(limit: int, start: int = start, size: int = size, packed: bool = kind == COMPRESSED) -> bytes:
                with path.open("rb") as again:
                    again.seek(start)
                    if packed:
                        return zlib.decompressobj().decompress(again.read(size), limit + 8)[8:]  # a matrix has its own tag there
                    return again.read(min(limit, size))

            if kind in (MATRIX, COMPRESSED):
                with suppress(ValueError, struct.error, zlib.error):  # of another kind, such as MATLAB's objects
                    yield _variable(path, order, content)
            file.seek(start + size)


def _variable(path: Path, order: str, content: Callable[[int], bytes]) -> Variable:
    """A variable, of which `content(limit)` gives at most so many bytes."""
    head = content(1024)
    (_, flags), place = _element(head, 0, order)
    (_, dimensions), place = _element(head, place, order)
    (_, name), place = _element(head, place, order)
    (flag,) = struct.unpack(order + "I", flags[:4])
    shape = tuple(int(n) for n in np.frombuffer(dimensions, order + "i4"))
    kind, count = flag & 0xFF, math.prod(shape)
    dtype = np.dtype(bool if flag & LOGICAL else NUMBERS.get(kind, "O"))
    if kind == TEXT:
        dtype = np.dtype("U1")
    if flag & COMPLEX:
        dtype = np.dtype(complex)

    def read() -> np.ndarray:
        limit = MOST_TEXT if kind == TEXT else 8 * MOST_VALUES
        if kind != TEXT:
            check_declared(shape, dtype, path)
        if min(shape, default=0) < 0:
            raise ValueError(f"dimensions {shape}")
        (stored, values), _ = _element(content(min(limit, place + 8 + 8 * count)), place, order)
        if kind == TEXT:
            return np.array(values.decode(ENCODING[stored] + ("-le" if order == "<" else "-be") * (stored in (4, 17, 18))))
        return np.frombuffer(values, order + TYPES[stored]).astype(dtype).reshape(shape, order="F")

    return Variable(one_line(name.decode("latin-1"))[:LONGEST], shape, dtype, read)


def _element(content: bytes, place: int, order: str) -> tuple[tuple[int, bytes], int]:
    """An element of a variable as (type, bytes), and where the next begins. Raises ValueError where it ends before."""
    if len(content) < place + 8:
        raise ValueError("truncated")
    kind, size = struct.unpack(order + "II", content[place : place + 8])
    begin, step = place + 8, 8 + size + -size % 8
    if kind >> 16:  # up to four bytes are in the tag itself
        kind, size, begin, step = kind & 0xFFFF, kind >> 16, place + 4, 8
    values = content[begin : begin + size]
    if len(values) < size or kind not in TYPES:
        raise ValueError("truncated" if kind in TYPES else f"type {kind}")
    return (kind, values), place + step


def _level_4(path: Path) -> Iterator[Variable]:
    """Nothing in it is compressed or nested: SciPy reads it within the size of the file."""
    import scipy.io  # takes a quarter of a second to load

    for name, shape, kind in scipy.io.whosmat(path, appendmat=False):
        dtype = np.dtype("U1" if kind == "char" else "O" if kind == "sparse" else "f8")
        yield Variable(name, shape, dtype, lambda name=name: _of_level_4(path, name))


def _of_level_4(path: Path, name: str) -> np.ndarray:
    import scipy.io

    return np.asarray(scipy.io.loadmat(path, appendmat=False, variable_names=[name])[name])
