"""What the values of an image are, and those of a sinogram, which are integrals of them along rays."""

from enum import Enum
from typing import Any

from ctrecon.errors import InputError
from ctrecon.physics.attenuation import MU_MAX, from_hu, to_hu


class Unit(Enum):
    """The unit of an image. Its value is the word for it, in files and on the command line."""

    RELATIVE = "relative"  # attenuation / mu_max, in which everything is computed
    ATTENUATION = "attenuation"  # 1/m
    HU = "HU"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return {"relative": "attenuation / mu_max", "attenuation": "attenuation in 1/m", "unknown": "an unknown unit"}.get(
            self.value, self.value
        )

    def to_relative(self, x: Any) -> Any:
        """Values of this unit (array or tensor) as attenuation / mu_max. Raises InputError where the unit is not known."""
        if self is Unit.HU:
            return from_hu(x)
        if self is Unit.ATTENUATION:
            return x / MU_MAX
        if self is Unit.UNKNOWN:
            raise InputError("values of an unknown unit: expected attenuation or Hounsfield units: say which with unit=")
        return x

    def to_hu(self, x: Any) -> Any:
        """Values of this unit (array or tensor) as Hounsfield units. Raises InputError where the unit is not known."""
        if self is Unit.HU:
            return x
        return to_hu(self.to_relative(x))


UNITS = tuple(unit.value for unit in Unit)
SINOGRAMS = {"metres": Unit.RELATIVE, "log": Unit.ATTENUATION, "unknown": Unit.UNKNOWN}  # -log(I/I0) is the integral of attenuation


def image_unit(word: str | None) -> Unit:
    """The unit of an image that a file calls so; no word, or one that is none of ours, leaves it unknown."""
    return Unit(word) if word in UNITS else Unit.UNKNOWN


def sinogram_unit(word: str | None) -> Unit:
    """The unit of the image of which a sinogram that a file calls so holds the integrals."""
    return SINOGRAMS.get(word or "unknown", Unit.UNKNOWN)
