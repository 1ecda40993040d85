"""CT slices from DICOM files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Float
from pydicom.errors import InvalidDicomError
from torch import Tensor

from ctrecon.data.collection import Collection, as_image
from ctrecon.data.split import Split
from ctrecon.errors import InputError
from ctrecon.physics.attenuation import from_hu


class Dicom(Collection):
    """The CT slices of a folder, searched to any depth; files that are not DICOM are passed over.

    Args:
        file: The folder, or one DICOM file.
        seed: Draws the split by PatientID.

    Raises:
        InputError: The folder is empty, or a DICOM file is truncated or not a CT slice.
    """

    def __init__(self, file: str, seed: int = 0) -> None:
        path = Path(file)
        if not path.exists():
            raise InputError(f"{file}: no such folder; expected one with DICOM files")
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        patients = {p: _patient(p) for p in files if is_dicom(p)}
        self._files = [p for p, patient in patients.items() if patient is not None]
        if not self._files:
            raise InputError(f"{file}: no CT slice in DICOM format among its {len(files)} files; expected at least one")
        self._patients = [patients[p] for p in self._files]
        self._split = Split(str(file), self._patients, None, seed)

    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        path = self._files[row]
        return from_hu(as_image(read_hu(path), str(path)))

    def patient(self, row: int) -> str:
        return self._patients[row]

    def rows(self, split: str) -> Sequence[int]:
        return self._split.rows(split)


def is_dicom(path: Path) -> bool:
    """Whether the file has DICOM's magic word, or claims by its name to be one."""
    with path.open("rb") as opened:
        return opened.read(132)[128:] == b"DICM" or path.suffix.lower() == ".dcm"


def read_header(path: Path) -> pydicom.Dataset:
    """All of a file but its pixels. Raises InputError where it is missing, truncated or not DICOM."""
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a DICOM file") from None
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a readable DICOM file ({error or 'truncated'}); is it complete?") from None


def _patient(path: Path) -> str | None:
    """Whom a CT slice shows; None: the file is none."""
    header = read_header(path)
    return str(header.get("PatientID", "") or path.parent) if header.get("Modality", "CT") == "CT" else None


def side_of(path: Path) -> float:
    """Side of the slice in metres, from PixelSpacing. Raises InputError where the file does not tell."""
    header = read_header(path)
    if "PixelSpacing" not in header:
        raise InputError(f"{path}: no PixelSpacing; expected the size of a pixel")
    return float(header.PixelSpacing[0]) / 1000 * header.Rows


def read_hu(path: Path) -> np.ndarray:
    """The slice in Hounsfield units: stored values times RescaleSlope plus RescaleIntercept, padding as air.

    Raises:
        InputError: The file is missing, truncated, compressed in a way that cannot be read, or not a single slice.
    """
    read_header(path)
    try:
        file = pydicom.dcmread(path)
        stored = file.pixel_array.astype(np.float32)
    except Exception as error:  # pydicom's decoders raise many kinds
        raise InputError(f"{path}: its pixels cannot be read ({str(error).splitlines()[0]}); is the file complete?") from None
    if stored.ndim != 2 or file.get("SamplesPerPixel", 1) != 1:
        raise InputError(f"{path}: pixels of shape {stored.shape}; expected one grey slice")
    hu = stored * float(file.get("RescaleSlope", 1)) + float(file.get("RescaleIntercept", 0))
    if "PixelPaddingValue" in file:
        first = file.PixelPaddingValue
        last = file.get("PixelPaddingRangeLimit", first)
        hu[(stored >= min(first, last)) & (stored <= max(first, last))] = -1000.0
    return hu
