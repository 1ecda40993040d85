"""CT slices from DICOM files."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ctrecon.data.collection import Collection
from ctrecon.data.split import Split
from ctrecon.errors import InputError
from ctrecon.files.array import as_image
from ctrecon.files.dicom import is_dicom, patient_of, read_hu, side_of
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
        patients = {p: patient_of(p) for p in files if is_dicom(p)}
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

    def sides_m(self) -> Sequence[float | None]:
        return [side_of(path) for path in self._files]
