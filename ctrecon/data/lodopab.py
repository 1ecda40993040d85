"""LoDoPaB-CT's own files: ground_truth_{train,validation,test}_NNN.hdf5, each with `data` (n, 362, 362), attenuation / mu_max.

Source: Leuschner, Schmidt, Otero Baguer and Maass, Scientific Data 8 (2021) 109.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ctrecon.data.collection import Collection
from ctrecon.data.split import Split
from ctrecon.disk.hdf5 import dataset, numbers, open_hdf5
from ctrecon.disk.reading import reading
from ctrecon.disk.table import csv_rows, one_line
from ctrecon.errors import InputError
from ctrecon.files.array import as_image

SIDE_M = 0.26  # of every image, as published
PART = {"train": "train", "validation": "val", "test": "test"}


class LoDoPaB(Collection):
    """Ground-truth images of LoDoPaB-CT, read where they lie. Patients come from patient_ids_rand_{part}.csv beside them.

    The collection's parts are its splits. Without the patient lists an image counts as a patient of its own; the parts are
    disjoint by patient all the same. The split of a single file of another name is drawn, image by image.

    Args:
        file: A ground-truth file, or the folder that holds them.
        seed: Of the order of patients.

    Raises:
        InputError: A file is missing, truncated or laid out otherwise.
    """

    def __init__(self, file: str, seed: int = 0) -> None:
        path = Path(file)
        files = sorted(path.glob("**/ground_truth_*.hdf5")) if path.is_dir() else [path]
        if not files:
            raise InputError(f"{file}: no ground_truth_*.hdf5 in this folder; expected LoDoPaB-CT's unpacked ground-truth files")
        self._where: list[tuple[Path, int]] = []
        self._patients: list[str] = []
        given: list[str] = []
        for one in files:
            with open_hdf5(one) as opened:
                images = dataset(opened, "data")
                if images.ndim != 3 or images.shape[1] != images.shape[2]:
                    raise InputError(f"{one}: data of shape {images.shape}; expected (n, H, H) with square images")
                number = len(images)
            named = re.match(r"ground_truth_(train|validation|test)_(\d+)$", one.stem)
            part, first = (named[1], 128 * int(named[2])) if named else (one.stem, 0)  # files hold 128 images, a part's last fewer
            ids = _patient_ids(one.parent, part)
            if ids and len(ids) < first + number:
                raise InputError(f"{one}: images to number {first + number}, but {len(ids)} patients in the list beside it")
            self._patients += [f"{part} {ids[first + k]}" if ids else f"{part} image {first + k}" for k in range(number)]
            self._where += [(one, k) for k in range(number)]
            given += [PART[part]] * number if named else []
        self._split = Split(str(file), self._patients, given or None, seed)

    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        path, index = self._where[row]
        with open_hdf5(path) as opened:
            return as_image(numbers(dataset(opened, "data"), index), f"{path}, image {index}")

    def patient(self, row: int) -> str:
        return self._patients[row]

    def rows(self, split: str) -> Sequence[int]:
        return self._split.rows(split)

    def sides_m(self) -> Sequence[float | None]:
        return [SIDE_M]


def _patient_ids(folder: Path, part: str) -> list[str] | None:
    path = folder / f"patient_ids_rand_{part}.csv"
    if not path.is_file():
        return None
    with reading(path, "a list of patients"):
        return [one_line(row[0]) for row in csv_rows(path.read_bytes().decode(), path) if row]
