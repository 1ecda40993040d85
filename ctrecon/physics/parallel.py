"""Parallel beams."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from ctrecon.physics.beam import axes
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.redundancy import parallel_weights


@dataclass(frozen=True)
class Parallel(Geometry):
    """Parallel beam. Rays repeat, read backwards, after half a turn.

    Example:
        >>> Parallel(pixels=512, fov_m=0.36, views=50).shape
        (50, 725)
    """

    arc_deg: ClassVar[float] = 180.0

    def frames(self) -> Float[np.ndarray, "A P 2"]:
        axis = axes(self.angles_rad)[0]
        foot = (self.offset_m - axis @ np.array(self.centre_m))[:, None] * axis
        return np.stack([foot, self.bins * self.bin_m / 2 * axis], axis=1)

    def shadow_m(self, radius: float) -> float:
        return radius

    def ray_weights(self) -> Float[np.ndarray, "A D"]:
        return parallel_weights(self)

    def odl_form(self) -> tuple[str, dict[str, float]]:
        return "Parallel2dGeometry", {}
