"""A collection of images."""

import abc
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ctrecon.errors import InputError
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram


class Collection(abc.ABC):
    """Square images, the patient that each shows, and which rows train, validate and test.

    Attributes:
        endless: Whether there are always more.
    """

    endless: ClassVar[bool] = False

    @abc.abstractmethod
    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        """Image `row` at its own resolution, values attenuation / mu_max."""

    @abc.abstractmethod
    def patient(self, row: int) -> str:
        """Whom the image shows."""

    @abc.abstractmethod
    def rows(self, split: str) -> Sequence[int]:
        """All rows of split train, val or test; the first few are a subset that shows many patients. Raises InputError where there is none."""

    def measured(self, row: int, geometry: Geometry) -> Sinogram | None:
        """The sinogram in metres that a scanner of that geometry measured of the image; None: it is to be simulated."""
        return None


def as_image(array: np.ndarray, where: str) -> Float[Tensor, "1 1 M M"]:
    """An array (M, M) as an image. Raises InputError where it is not square or not finite."""
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] < 4:
        raise InputError(f"{where}: an image of shape {' x '.join(map(str, array.shape))}; expected a square one: cut or pad it")
    if not np.isrealobj(array) or not np.issubdtype(array.dtype, np.number):
        raise InputError(f"{where}: an image of type {array.dtype}; expected real numbers")
    array = np.array(array, dtype=np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"{where}: the image contains NaN or infinite values; expected finite ones")
    return torch.from_numpy(array)[None, None]
