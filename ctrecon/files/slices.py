"""CT slices in one HDF5 file: `images` (N, H, W), `patient` (N,), optionally `split` (N,); attribute `unit` HU or attenuation."""

from pathlib import Path

import h5py
from jaxtyping import Float
from torch import Tensor

from ctrecon.disk.hdf5 import attribute, dataset, holds, numbers, open_hdf5, texts
from ctrecon.errors import InputError
from ctrecon.files.array import as_image
from ctrecon.physics.attenuation import MU_MAX, from_hu

# In 1/m water has 20 and nothing in a CT scan except air stays below 2; divided by mu_max nothing exceeds it.
RELATIVE_BELOW = 2.0
SAMPLED = 16  # images that are looked at for it


class SliceFile:
    """The images of a file. Rows are read when asked for.

    Args:
        file: Path of the HDF5 file.

    Units:
        `unit` = HU: Hounsfield units. `unit` = attenuation: 1/m, or, where no sampled value reaches 2, attenuation / mu_max.

    Attributes:
        patients: Whom each image shows.
        splits: What each is for; None: the file does not say.

    Raises:
        InputError: The file is missing, truncated or laid out otherwise.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        with open_hdf5(self.file) as opened:
            images = dataset(opened, "images")
            if images.ndim != 3 or images.shape[1] != images.shape[2] or not len(images):
                raise InputError(f"{file}: images of shape {images.shape}; expected (N, H, H) with square images: cut or pad them")
            self.patients, self.splits = texts(opened, "patient"), texts(opened, "split") if holds(opened, "split") else None
            if any(len(column) != len(images) for column in (self.patients, self.splits or self.patients)):
                raise InputError(f"{file}: {len(images)} images but {len(self.patients)} patients; expected one entry an image")
            self.unit = self._unit(attribute(opened, "unit") or attribute(opened, "unit", images), images)
        self._images: h5py.Dataset | None = None

    def __len__(self) -> int:
        return len(self.patients)

    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        """Image `row` at its own resolution, values attenuation / mu_max."""
        if self._images is None:
            self._images = dataset(open_hdf5(self.file), "images")  # stays open: opening takes longer than reading
        x = as_image(numbers(self._images, row), f"{self.file}, image {row}")
        return from_hu(x) if self.unit == "HU" else x.clip(0) / (MU_MAX if self.unit == "1/m" else 1)

    def _unit(self, unit: str | None, images: h5py.Dataset) -> str:
        if unit == "HU":
            return "HU"
        if unit == "attenuation":
            step = max(1, len(images) // SAMPLED)
            return "1/m" if any((numbers(images, row) >= RELATIVE_BELOW).any() for row in range(0, len(images), step)) else "mu_max"
        raise InputError(f"{self.file}: attribute unit is {unit!r}; expected HU or attenuation")
