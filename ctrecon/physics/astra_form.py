"""ASTRA's form of a geometry.

Its x axis runs along our columns. Its y axis runs against our rows for 2-D data, whose first row is on top, and along them for
3-D data. Rays are handed over as vectors, relative to the image's centre, so offsets and shifted images need no case of their own.
"""

from typing import Any

import astra
import numpy as np
from jaxtyping import Float

from ctrecon.physics.fan import Fan
from ctrecon.physics.geometry import Geometry, across


def rays(geometry: Geometry, views: np.ndarray | None = None) -> Float[np.ndarray, "A 3 2"]:
    """Of each view, or of chosen ones: the beam (source, or direction of parallel rays), detector middle, step from bin to bin."""
    frames = geometry.frames() if views is None else geometry.frames()[views]
    step = frames[:, -1] / (geometry.bins / 2)
    if isinstance(geometry, Fan):
        return np.stack([frames[:, 0], frames[:, 1], step], axis=1)
    return np.stack([across(step) / geometry.bin_m, frames[:, 0], step], axis=1)


def plane(geometry: Geometry, views: np.ndarray | None = None) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(kernel, projection geometry, volume geometry) of 2-D data on a CPU.

    `linear` is the parallel kernel that respects quarter turns; ASTRA has no linear fan kernel, and its distance_driven ones give
    an empty matrix without an error.
    """
    vectors = (rays(geometry, views)[..., ::-1] * [1, -1]).reshape(-1, 6)
    kind, kernel = ("fanflat_vec", "line_fanflat") if isinstance(geometry, Fan) else ("parallel_vec", "linear")
    half = geometry.fov_m / 2
    volume = astra.create_vol_geom(geometry.pixels, geometry.pixels, -half, half, -half, half)
    return kernel, astra.create_proj_geom(kind, geometry.bins, vectors), volume


def stack(geometry: Geometry, slices: int) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(kernel, projection geometry, volume geometry) of a stack of slices as 3-D data on CUDA, all projected by the same rays.

    Data are (slices, rows, columns) and (slices, views, bins). A fan would become a cone: it takes one slice.
    """
    fan = isinstance(geometry, Fan)
    if fan and slices != 1:
        raise ValueError(f"a fan beam takes one slice, not {slices}")
    vectors = np.zeros((geometry.shape[0], 4, 3))
    vectors[:, :3, :2] = rays(geometry)[..., ::-1]
    vectors[:, 3, 2] = geometry.pixel_m  # from detector row to row
    half, height = geometry.fov_m / 2, slices * geometry.pixel_m / 2
    volume = astra.create_vol_geom(geometry.pixels, geometry.pixels, slices, -half, half, -half, half, -height, height)
    kind = "cone_vec" if fan else "parallel3d_vec"
    return "cuda3d", astra.create_proj_geom(kind, slices, geometry.bins, vectors.reshape(-1, 12)), volume
