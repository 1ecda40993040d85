"""Measured sinograms: with a reference image each to evaluate on, without one to learn from alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ctrecon.data.collection import Collection
from ctrecon.data.split import Split
from ctrecon.disk.hdf5 import attribute, dataset, holds, numbers, open_hdf5, texts
from ctrecon.disk.reading import as_numbers
from ctrecon.errors import InputError
from ctrecon.files.array import as_image
from ctrecon.files.unit import Unit, image_unit, sinogram_unit
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram


class Measured(Collection):
    """An HDF5 file of scans: `sinogram` (N, A, D) and, where there is one, `reference` (N, M, M).

    The attribute `unit` of `sinogram` is log (-log(I/I0)) or metres (that over mu_max), the one of `reference` attenuation (1/m),
    relative (attenuation / mu_max) or HU. Where there is none, they are taken for log and attenuation.

    `patient` (N,) names the objects (without it, each scan is an object of its own), `split` (N,) what they are for (without it, all
    test). A geometry that uses a part of the scanner's views gets that part.

    Args:
        file: Path of the HDF5 file.
        seed: Of the order of objects.

    Raises:
        InputError: The file is missing, truncated or laid out otherwise.
    """

    def __init__(self, file: str, seed: int = 0) -> None:
        self.file = Path(file)
        with open_hdf5(self.file) as opened:
            scans, self.has_truth = dataset(opened, "sinogram"), holds(opened, "reference")
            references = dataset(opened, "reference") if self.has_truth else np.empty((len(scans), 1, 1))
            if scans.ndim != 3 or references.ndim != 3 or len(scans) != len(references):
                raise InputError(
                    f"{file}: sinogram of shape {scans.shape}, reference {references.shape}; expected (N, A, D) and (N, M, M)"
                )
            self._patients = texts(opened, "patient") if holds(opened, "patient") else [f"scan {k}" for k in range(len(scans))]
            given = texts(opened, "split") if holds(opened, "split") else ["test"] * len(scans)
            units = [attribute(opened, "unit", scans), attribute(opened, "unit", references) if self.has_truth else None]
            self._of = _known(sinogram_unit(units[0] or "log"), f"{file}: sinogram", units[0], "log or metres")
            self._of_reference = _known(
                image_unit(units[1] or "attenuation"), f"{file}: reference", units[1], "attenuation, relative or HU"
            )
        if not len(self._patients) == len(given) == len(scans):
            raise InputError(f"{file}: {len(scans)} scans but {len(self._patients)} patients; expected one entry a scan")
        self._split = Split(str(file), self._patients, given, seed)

    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        if not self.has_truth:
            return torch.full((1, 1, 1, 1), torch.nan)
        x = as_image(self._read("reference", row), f"{self.file}, reference {row}")
        return self._of_reference.to_relative(x).clip(0)

    def patient(self, row: int) -> str:
        return self._patients[row]

    def rows(self, split: str) -> Sequence[int]:
        return self._split.rows(split)

    def measured(self, row: int, geometry: Geometry) -> Sinogram | None:
        array = as_numbers(self._read("sinogram", row), f"{self.file}: sinogram {row}")
        y = self._of.to_relative(torch.from_numpy(geometry.used(array)))[None, None]
        geometry.check(y, f"{self.file}: sinogram {row}")
        return y

    def _read(self, name: str, row: int) -> np.ndarray:
        with open_hdf5(self.file) as opened:
            return numbers(dataset(opened, name), row)


def _known(unit: Unit, where: str, word: str | None, expected: str) -> Unit:
    """The unit. Raises InputError where it is not known."""
    if unit is Unit.UNKNOWN:
        raise InputError(f"{where}: its attribute unit is {word!r}; expected {expected}")
    return unit
