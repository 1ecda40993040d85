"""Axial CT slices among the DICOM files of a folder, in one order and one orientation, and why the other files are not.

DICOM's patient axes: x grows to the patient's left, y to the back, z to the head. Axial images are shown with row 0 in front and
column 0 at the patient's right: columns along +x, rows along +y.
"""

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import CTImageStorage
from tqdm import tqdm

from ctrecon.errors import InputError
from ctrecon.files.dicom import is_dicom, read_header
from preparation.row_file import Rejected

TILT = math.cos(math.radians(10))  # slices tilted, or turned in their plane, by less than 10 degrees count as axial


@dataclass(frozen=True)
class CTSlice:
    """One slice's header.

    Attributes:
        path: Its file.
        uid: SOPInstanceUID.
        patient: PatientID; where that is empty StudyInstanceUID, or the folder.
        series: SeriesInstanceUID.
        order: Position along the normal towards the head, then acquisition order: sorts a series.
        across: Direction in which columns grow, as (x, y) of the patient.
        down: Direction in which rows grow.
        shape: Rows and columns as stored.
        pixel_m: Spacing of rows and of columns as stored.
    """

    path: Path
    uid: str
    patient: str
    series: str
    order: tuple[float, int, str]
    across: tuple[float, float]
    down: tuple[float, float]
    shape: tuple[int, int]
    pixel_m: tuple[float, float]

    @property
    def transposed(self) -> bool:
        """Whether the columns run from front to back."""
        return abs(self.across[0]) < abs(self.across[1])

    def upright(self, stored: np.ndarray) -> np.ndarray:
        """The stored pixels turned and mirrored to the standard orientation."""
        down, across = (self.across[1], self.down[0]) if self.transposed else (self.down[1], self.across[0])
        array = stored.T if self.transposed else stored
        return array[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1]


def find(folders: list[Path]) -> tuple[list[CTSlice], Counter[str]]:
    """The axial CT slices of folders, by patient, series and position, and the number of other files by reason.

    Raises:
        InputError: A folder is missing, or holds no such slice.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; expected one with DICOM files")
    files = sorted({path for path in chain(*(folder.rglob("*") for folder in folders)) if path.is_file()})
    found: dict[str, CTSlice] = {}
    rejected: Counter[str] = Counter()
    for path in tqdm(files, desc="reading headers", unit="file", disable=None):
        try:
            one = _read(path)
            if found.setdefault(one.uid, one) is not one:
                raise Rejected("duplicate SOPInstanceUID")
        except Rejected as reason:
            rejected[str(reason)] += 1
    if not found:
        raise InputError(f"{folders[0]}: no axial CT slice among {len(files)} files{_listed(rejected)}; expected at least one")
    return sorted(found.values(), key=lambda one: (one.patient, one.series, one.order)), rejected


def fingerprint(image: np.ndarray) -> str:
    """Tells images of other pixels apart."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes() + str(image.shape).encode()).hexdigest()


def _read(path: Path) -> CTSlice:
    """Raises Rejected where the file is no axial CT slice."""
    if not is_dicom(path):
        raise Rejected("not DICOM")
    try:
        header = read_header(path)
        _check_kind(header)
        return _slice(path, header)
    except Rejected:
        raise
    except Exception:  # pydicom raises many kinds when values are looked at
        raise Rejected("unreadable header") from None


def _check_kind(header: Dataset) -> None:
    if header.get("Modality") != "CT":
        raise Rejected(f"modality {header.get('Modality') or 'missing'}")
    if int(header.get("NumberOfFrames") or 1) > 1 or "SharedFunctionalGroupsSequence" in header:
        raise Rejected("enhanced multi-frame")
    if header.get("SOPClassUID") != CTImageStorage:
        raise Rejected("not a CT image (secondary capture, dose report)")
    if "LOCALIZER" in header.get("ImageType", []):
        raise Rejected("localiser")
    for name in ("ImageOrientationPatient", "PixelSpacing"):
        if not header.get(name):
            raise Rejected(f"no {name}")


def _slice(path: Path, header: Dataset) -> CTSlice:
    across, down = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    normal = np.cross(across, down)
    if abs(normal[2]) < TILT or abs(across[:2]).max() < TILT:
        raise Rejected("not axial")
    rows, columns = (float(length) / 1000 for length in header.PixelSpacing)
    if not math.isclose(rows, columns, rel_tol=1e-3):
        raise Rejected("oblong pixels")
    position = np.array(header.get("ImagePositionPatient") or (0, 0, 0), dtype=np.float64)
    return CTSlice(
        path=path,
        uid=str(header.SOPInstanceUID),
        patient=_printable(header.get("PatientID")) or _printable(header.get("StudyInstanceUID")) or _printable(path.parent),
        series=str(header.get("SeriesInstanceUID") or path.parent),
        order=(float(position @ normal * np.sign(normal[2])), int(header.get("InstanceNumber") or 0), str(header.SOPInstanceUID)),
        across=tuple(across[:2]),
        down=tuple(down[:2]),
        shape=(int(header.Rows), int(header.Columns)),
        pixel_m=(rows, columns),
    )


def _printable(name: object) -> str:
    """A name without the characters that HDF5 or a line of text cannot hold, such as NUL or line separators."""
    return "".join(letter for letter in str(name or "") if letter.isprintable())


def _listed(rejected: Counter[str]) -> str:
    return " (" + ", ".join(f"{number} {reason}" for reason, number in rejected.most_common()) + ")" if rejected else ""
