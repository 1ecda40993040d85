"""CT slices in one HDF5 file: `images` (N, H, W), `patient` (N,), optionally `split` (N,); attribute `unit` HU or attenuation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ctrecon.data.collection import Collection, as_image
from ctrecon.data.split import Split
from ctrecon.disk.hdf5 import dataset, open_hdf5, texts
from ctrecon.errors import InputError
from ctrecon.physics.attenuation import MU_MAX, from_hu

# In 1/m water has 20 and nothing in a CT scan except air stays below 2; divided by mu_max nothing exceeds it.
RELATIVE_BELOW = 2.0


class Slices(Collection):
    """The images of a file. Rows are read when asked for.

    Args:
        file: Path of the HDF5 file.
        seed: Of the order of patients, and of the split where the file has none.

    Units:
        `unit` = HU: Hounsfield units. `unit` = attenuation: 1/m, or, where no sampled value reaches 2, attenuation / mu_max.

    Raises:
        InputError: The file is missing, truncated or laid out otherwise, or a patient is in two splits.
    """

    def __init__(self, file: str, seed: int = 0) -> None:
        self.file = Path(file)
        with open_hdf5(self.file) as opened:
            images = dataset(opened, "images")
            if images.ndim != 3 or images.shape[1] != images.shape[2] or not len(images):
                raise InputError(f"{file}: images of shape {images.shape}; expected (N, H, H) with square images: cut or pad them")
            self._patients, given = texts(opened, "patient"), texts(opened, "split") if "split" in opened else None
            if any(len(column) != len(images) for column in (self._patients, given or self._patients)):
                raise InputError(f"{file}: {len(images)} images but {len(self._patients)} patients; expected one entry an image")
            self.unit = self._unit(opened.attrs.get("unit", images.attrs.get("unit")), images)
        self._split = Split(str(file), self._patients, given, seed)
        self._open = None

    def __len__(self) -> int:
        return len(self._patients)

    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        if self._open is None:
            self._open = open_hdf5(self.file)
        try:
            array = self._open["images"][row].astype(np.float32)
        except OSError as error:
            raise InputError(f"{self.file}: image {row} cannot be read ({error}); is the file complete?") from None
        x = as_image(array, f"{self.file}, image {row}")
        return from_hu(x) if self.unit == "HU" else x.clip(0) / (MU_MAX if self.unit == "1/m" else 1)

    def patient(self, row: int) -> str:
        return self._patients[row]

    def rows(self, split: str) -> Sequence[int]:
        return self._split.rows(split)

    def _unit(self, unit, images) -> str:
        unit = unit.decode() if isinstance(unit, bytes) else unit
        if unit == "HU":
            return "HU"
        if unit == "attenuation":
            sample = images[:: max(1, len(images) // 16)]
            return "1/m" if np.nanmax(sample) >= RELATIVE_BELOW else "mu_max"
        raise InputError(f"{self.file}: attribute unit is {unit!r}; expected HU or attenuation")
