"""CT slices in one HDF5 file: `images` (N, H, W), `patient` (N,), optionally `split` (N,) and `pixel_m` (N,), (N, 2) or an attribute;
attribute `unit` HU, attenuation or relative."""

from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float
from torch import Tensor

from ctrecon.disk.hdf5 import attribute, dataset, holds, numbers, open_hdf5, texts
from ctrecon.errors import InputError
from ctrecon.files.array import as_image, square_side
from ctrecon.files.label import label_of
from ctrecon.physics.attenuation import MU_MAX, from_hu

# In 1/m water has 20 and nothing in a CT scan except air stays below 2; divided by mu_max nothing exceeds it.
RELATIVE_BELOW = 2.0
SAMPLED = 16  # images that are looked at for it


class SliceFile:
    """The images of a file. Rows are read when asked for.

    Args:
        file: Path of the HDF5 file.

    Units:
        `unit` = HU: Hounsfield units. `unit` = relative: attenuation / mu_max. `unit` = attenuation: 1/m, or, where no sampled value
        reaches 2, attenuation / mu_max, as older files of ours call it.

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
            self._pixels, self._pixel_m = images.shape[-1], self._lengths(opened, len(images))
        self._images: h5py.Dataset | None = None

    def __len__(self) -> int:
        return len(self.patients)

    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        """Image `row` at its own resolution, values attenuation / mu_max."""
        if self._images is None:
            self._images = dataset(open_hdf5(self.file), "images")  # stays open: opening takes longer than reading
        x = as_image(numbers(self._images, row), f"{self.file}, image {row}")
        return from_hu(x) if self.unit == "HU" else x.clip(0) / (MU_MAX if self.unit == "1/m" else 1)

    def side_m(self, row: int) -> float | None:
        """Side of image `row` in metres; None: the file does not say. Raises InputError where its pixels are not square."""
        if self._pixel_m is None:
            return None
        return square_side(self._pixels, *self._pixel_m[row], f"{self.file}, image {row}")

    def _lengths(self, opened: h5py.File, size: int) -> np.ndarray | None:
        """Height and width of the pixels of each image (N, 2); None: the file does not say."""
        if holds(opened, "pixel_m"):
            lengths = numbers(dataset(opened, "pixel_m")).astype(np.float64)
        else:
            found = label_of({"pixel_m": opened.attrs.get("pixel_m", opened["images"].attrs.get("pixel_m"))}).pixel_m
            if found is None:
                return None
            lengths = np.full(size, found)
        if lengths.shape not in ((size,), (size, 1), (size, 2)):
            raise InputError(
                f"{self.file}: pixel_m of shape {lengths.shape}; expected a length, or height and width, for {size} images"
            )
        return np.broadcast_to(lengths.reshape(size, -1), (size, 2))

    def _unit(self, unit: str | None, images: h5py.Dataset) -> str:
        if unit == "HU":
            return "HU"
        if unit == "relative":
            return "mu_max"
        if unit == "attenuation":
            step = max(1, len(images) // SAMPLED)
            return "1/m" if any((numbers(images, row) >= RELATIVE_BELOW).any() for row in range(0, len(images), step)) else "mu_max"
        raise InputError(f"{self.file}: attribute unit is {unit!r}; expected HU, attenuation or relative")
