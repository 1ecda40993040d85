"""CT slices in DICOM files, one a file."""

import mmap
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ctrecon.disk.reading import as_numbers, check_declared, check_inflated, reading
from ctrecon.disk.table import one_line
from ctrecon.errors import InputError
from ctrecon.files.array import square_side

KIND = "DICOM"
MOST_BYTES = 2**28  # of a compressed header with its pixels
AIR_HU = -1000.0


def is_dicom(path: Path) -> bool:
    """Whether the file has DICOM's magic word, or claims by its name to be one."""
    with path.open("rb") as opened:
        return opened.read(132)[128:] == b"DICM" or path.suffix.lower() == ".dcm"


def read_header(path: Path) -> pydicom.Dataset:
    """All of a file but its pixels. Raises InputError where it is missing, truncated or not DICOM."""
    return _read(path, stop_before_pixels=True)


def patient_of(path: Path) -> str | None:
    """Whom a CT slice shows: its PatientID, or its folder. None: the file is no CT slice."""
    header = read_header(path)
    with reading(path, KIND):
        return one_line(header.get("PatientID") or path.parent) if header.get("Modality", "CT") == "CT" else None


def side_of(path: Path) -> float | None:
    """Side of a slice in metres, from PixelSpacing; None: it does not tell. Raises InputError where its pixels are not square."""
    header = read_header(path)
    with reading(path, KIND):
        if not header.get("PixelSpacing"):
            return None
        down, across = (float(length) / 1000 for length in header.PixelSpacing)
        return square_side(int(header.Rows), down, across, str(path))


def unit_of(path: Path) -> str | None:
    """The unit of a file's values: HU where it is of a CT scanner and its rescaled values are called nothing else; None: it does not say."""
    header = read_header(path)
    with reading(path, KIND):
        ct = header.get("Modality", "CT") == "CT" and str(header.get("RescaleType", None) or "HU") in ("HU", "HU_MOD")
        return "HU" if ct else None


def read_hu(path: Path) -> np.ndarray:
    """The slice in Hounsfield units: stored values times RescaleSlope plus RescaleIntercept, padding as air.

    Raises:
        InputError: The file is missing, truncated, compressed in a way that cannot be read, or not a single slice.
    """
    header = read_header(path)
    with reading(path, KIND):
        frames, samples = _number(header, "NumberOfFrames", 1, path), _number(header, "SamplesPerPixel", 1, path)
        if (frames, samples) != (1, 1):
            raise InputError(f"{path}: {frames:g} frames of {samples:g} samples a pixel; expected one grey slice")
        shape = (int(header.Rows), int(header.Columns))
        check_declared(shape, np.dtype(np.uint16), path)
        slope, intercept = _number(header, "RescaleSlope", 1, path), _number(header, "RescaleIntercept", 0, path)
        stored = _read(path).pixel_array
        if stored.shape != shape:
            raise InputError(f"{path}: pixels of shape {stored.shape}; expected {shape}, as it says")
        hu = as_numbers(stored.astype(np.float32) * slope + intercept, path)
        if "PixelPaddingValue" in header:
            first = _number(header, "PixelPaddingValue", 0, path)
            last = _number(header, "PixelPaddingRangeLimit", first, path)
            hu[(stored >= min(first, last)) & (stored <= max(first, last))] = AIR_HU
        return hu


def _read(path: Path, **options: Any) -> pydicom.Dataset:
    # Mapped into memory, so that an element that claims more bytes than there are gets no more.
    with reading(path, KIND), path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[128:132] == b"DICM":
            content.seek(132)
            meta = read_dataset(content, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag >> 16 != 2)
            if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                check_inflated(content.read(), MOST_BYTES, path, -zlib.MAX_WBITS)
            content.seek(0)
        try:
            return pydicom.dcmread(content, **options)
        except InvalidDicomError:
            raise InputError(f"{path}: is not in DICOM format; expected a file with a CT slice") from None


def _number(file: pydicom.Dataset, name: str, default: int | float, path: Path) -> float:
    """One number; the default where the file does not have it. Raises InputError where it is something else."""
    value = file[name].value if name in file else default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise InputError(f"{path}: {name} is {value!r}; expected one number")
    return number
