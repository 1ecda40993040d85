"""Fan beams."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from ctrecon.errors import InputError
from ctrecon.physics.beam import axes
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.redundancy import fan_weights


@dataclass(frozen=True)
class Fan(Geometry):
    """Fan beam with a flat detector.

    Attributes:
        source_m: Distance from the source to the centre of rotation.
        detector_m: Distance from the source to the detector.

    Example:
        >>> fan = Fan(pixels=64, fov_m=0.07, views=360, source_m=0.41, detector_m=0.55)
        >>> len(fan.moves())
        8
    """

    source_m: float = 0.5
    detector_m: float = 1.0

    arc_deg: ClassVar[float] = 360.0

    def __post_init__(self) -> None:
        super().__post_init__()
        reach = self.fov_m / math.sqrt(2) + math.hypot(*self.centre_m)
        if not self.detector_m >= self.source_m > reach:
            raise InputError(
                f"geometry.source_m={self.source_m}, detector_m={self.detector_m}: expected a source outside the image's "
                f"circumscribed circle ({reach:.4g} m) and a detector not before the centre of rotation"
            )

    def frames(self) -> Float[np.ndarray, "A P 2"]:
        axis, depth = axes(self.angles_rad)
        source = -self.source_m * depth - np.array(self.centre_m)
        return np.stack(
            [source, source + self.detector_m * depth + self.offset_m * axis, self.bins * self.bin_m / 2 * axis], axis=1
        )

    def shadow_m(self, radius: float) -> float:
        return self.detector_m * math.tan(math.asin(min(1, radius / self.source_m)))

    def ray_weights(self) -> Float[np.ndarray, "A D"]:
        weights = fan_weights(self, np.arctan(self.bins_m / self.detector_m))
        return weights * self.detector_m / np.hypot(self.detector_m, self.bins_m)

    def odl_form(self) -> tuple[str, dict[str, float]]:
        return "FanBeamGeometry", {"src_radius": self.source_m, "det_radius": self.detector_m - self.source_m}
