"""A collection of images."""

import abc
from collections.abc import Sequence
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram


class Collection(abc.ABC):
    """Square images, the patient that each shows, and which rows train, validate and test.

    Attributes:
        endless: Whether there are always more.
        has_truth: Whether there are images, and not sinograms alone.
    """

    endless: ClassVar[bool] = False
    has_truth: bool = True

    @abc.abstractmethod
    def image(self, row: int) -> Float[Tensor, "1 1 M M"]:
        """Image `row` at its own resolution, values attenuation / mu_max; NaN where there is none."""

    @abc.abstractmethod
    def patient(self, row: int) -> str:
        """Whom the image shows."""

    @abc.abstractmethod
    def rows(self, split: str) -> Sequence[int]:
        """All rows of split train, val or test; the first few are a subset that shows many patients. Raises InputError where there is none."""

    def sides_m(self) -> Sequence[float | None] | None:
        """The side of each image in metres, None where its file does not say; None: these images have no size of their own.

        Raises:
            InputError: Pixels that are not square.
        """
        return None

    def measured(self, row: int, geometry: Geometry) -> Sinogram | None:
        """The sinogram in metres that a scanner of that geometry measured of the image; None: it is to be simulated."""
        return None
