"""What an array file says it holds, before that is read.

Each format has a function that opens a file and gives a `Stored`: shape and type as they are declared, and a function that reads.
"""

import io
import lzma
import math
import mmap
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import tifffile

from ctrecon.disk.hdf5 import attribute, dataset, numbers, open_hdf5
from ctrecon.disk.reading import MOST_TEXT, check_inflated
from ctrecon.disk.table import one_line
from ctrecon.errors import InputError
from ctrecon.files.label import SILENT, Label, label_of, sidecar
from ctrecon.files.matlab import variable

LABEL = "ctrecon"  # the key of a PNG's text with its label
DEFLATED, LZMA = (8, 32946), 34925  # TIFF's numbers of compressions


@dataclass(frozen=True)
class Stored:
    """An array in a file.

    Attributes:
        shape: As declared.
        dtype: As declared.
        read: Reads it all (None), or one of a stack.
        label: What the file says of it.
        whole: Whether one of a stack cannot be read without the others.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[int | None], np.ndarray]
    label: Label = SILENT
    whole: bool = False


def check_counts(shape: tuple[int, ...], path: Path) -> None:
    """Raises InputError where a header counts less than one row, column or entry of a stack."""
    if any(count < 1 for count in shape):
        raise InputError(
            f"{path}: its header says {' x '.join(map(str, shape))} values; expected at least one each way: is it damaged?"
        )


def _npy(path: Path, name: str, stack: ExitStack) -> Stored:
    with path.open("rb") as file:
        _check_version(file)
        check_counts(np.lib.format.read_array_header_1_0(file)[0], path)
    array = np.lib.format.open_memmap(path, mode="r")
    return Stored(array.shape, array.dtype, lambda index: array if index is None else array[index], sidecar(path))


def _npz(path: Path, name: str, stack: ExitStack) -> Stored:
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    if name not in members:
        raise InputError(f"{path}: no array {name!r}; it has {', '.join(map(one_line, [*members][:20])) or 'none'}")
    if members[name].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("a compression that numpy does not write")
    shape, dtype = _declared(archive, members[name])

    def read(index: int | None) -> np.ndarray:
        with archive.open(members[name]) as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
        return array if index is None else array[index]

    return Stored(shape, dtype, read, label_of({key: _small(archive, members, key) for key in ("unit", "pixel_m")}), whole=True)


def _declared(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    with archive.open(member) as opened:
        _check_version(opened)
        shape, _, dtype = np.lib.format.read_array_header_1_0(opened)
    return shape, dtype


def _small(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], name: str) -> Any:
    """A text or number in an archive; None where there is none."""
    if name not in members:
        return None
    shape, dtype = _declared(archive, members[name])
    if shape != () or dtype.itemsize > MOST_TEXT:
        return None
    with archive.open(members[name]) as member:
        return np.lib.format.read_array(member, allow_pickle=False).item()


def _check_version(file: io.BufferedIOBase) -> None:
    """Raises ValueError where a header may be longer than 64 KiB: it would be read whole."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("a numpy format for arrays of other things than numbers")


def _mat(path: Path, name: str, stack: ExitStack) -> Stored:
    found = variable(path, name)
    label = label_of({key: _value(path, key) for key in ("unit", "pixel_m")})
    return Stored(found.shape, found.dtype, lambda index: found.read() if index is None else found.read()[index], label, whole=True)


def _value(path: Path, name: str) -> Any:
    """A text or number in a MATLAB file; None where there is none."""
    try:
        found = variable(path, name)
    except InputError:
        return None
    return found.read().item() if found.dtype.kind == "U" or found.shape in ((), (1,), (1, 1)) else None


def _tif(path: Path, name: str, stack: ExitStack) -> Stored:
    # The kinds that are switched off may read other files, which this one names.
    series = stack.enter_context(tifffile.TiffFile(path, is_ome=False, is_ndtiff=False, is_mmstack=False)).series[0]

    def page(one: tifffile.TiffPage | tifffile.TiffFrame) -> np.ndarray:
        if one.compression != 1:
            _check_page(one.aspage(), path)
        return one.asarray()

    def read(index: int | None) -> np.ndarray:
        if index is not None and paged:
            return page(series.pages[index])
        for one in series.pages:
            if one is not None and one.compression != 1:
                _check_page(one.aspage(), path)
        array = series.asarray()
        return array if index is None else array[index]

    paged = len(series.shape) == 3 and len(series.pages) == series.shape[0]  # a stack whose images can be read one by one
    return Stored(series.shape, np.dtype(series.dtype), read, label_of(series.keyframe.description), whole=not paged)


def _check_page(page: tifffile.TiffPage, path: Path) -> None:
    """Raises InputError where a compressed part of a page is larger than it says."""
    limit = max(page.nbytes, math.prod(page.chunks) * page.dtype.itemsize)
    if any(place + size > path.stat().st_size for place, size in zip(page.dataoffsets, page.databytecounts, strict=True)):
        raise ValueError("truncated")
    for place, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        page.parent.filehandle.seek(place)
        packed = page.parent.filehandle.read(size)
        if page.compression in DEFLATED:
            check_inflated(packed, limit, path)
        elif page.compression == LZMA:
            unpack = lzma.LZMADecompressor()
            if len(unpack.decompress(packed, limit + 1)) > limit:
                raise InputError(f"{path}: compressed data that are larger than they say ({limit} bytes): is the file damaged?")
        elif page.compression.name not in ("PACKBITS", "LZW"):  # these make little of few bytes
            raise ValueError(f"compression {page.compression.name}: save it uncompressed")


def _png(path: Path, name: str, stack: ExitStack) -> Stored:
    file = stack.enter_context(path.open("rb"))
    content = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))  # gives no more bytes than there are
    picture = stack.enter_context(PIL.Image.open(content, formats=("PNG",)))
    if picture.mode not in ("L", "I", "I;16", "I;16B"):
        raise InputError(f"{path}: a picture of mode {picture.mode}; expected a grey one of 8 or 16 bits: colours have no unit")
    largest = np.float32(255 if picture.mode == "L" else 65535)
    label = label_of(picture.info.get(LABEL))
    low, high = (0, 1) if label.low is None or label.high is None else (label.low, label.high)
    read = lambda index: low + (high - low) * (np.asarray(picture) / largest)  # noqa: E731
    return Stored((picture.height, picture.width), np.dtype(np.float32), read, label)


def _hdf5(path: Path, name: str, stack: ExitStack) -> Stored:
    found = dataset(stack.enter_context(open_hdf5(path)), name)
    label = label_of({"unit": attribute(found.file, "unit", found), "pixel_m": found.attrs.get("pixel_m")})
    return Stored(found.shape, found.dtype, lambda index: numbers(found, index), label)


OPEN: dict[str, Callable[[Path, str, ExitStack], Stored]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".mat": _mat,
    ".tif": _tif,
    ".tiff": _tif,
    ".png": _png,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
}


def as_png(image: np.ndarray, label: Label) -> bytes:
    """A grey picture of 8 bits that shows the range of values, which it names."""
    low, high = float(image.min()), float(image.max())
    grey = np.round(255 * (image.astype(np.float64) - low) / max(high - low, 1e-12)).astype(np.uint8)
    content, texts = io.BytesIO(), PIL.PngImagePlugin.PngInfo()
    texts.add_text(LABEL, replace(label, low=low, high=high).text())
    PIL.Image.fromarray(grey).save(content, "PNG", pnginfo=texts)
    return content.getvalue()
