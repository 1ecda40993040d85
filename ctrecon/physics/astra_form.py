"""ASTRA's form of a geometry.

Its x axis runs along our columns. Its y axis runs against our rows for 2-D data, whose first row is on top, and along them for
3-D data. Rays are handed over as vectors, relative to the image's centre, so offsets and shifted images need no case of their own.
"""

from typing import Any

import astra
import numpy as np
from jaxtyping import Float

from ctrecon.physics.beam import across
from ctrecon.physics.geometry import Geometry


def rays(geometry: Geometry, views: np.ndarray | None = None) -> Float[np.ndarray, "V 3 2"]:
    """Of each detector in turn, or of those of chosen views: source or direction of the rays, detector's middle, step from bin to bin."""
    beam = geometry.beam()
    first = across(beam.step) / geometry.bin_m if beam.source is None else beam.source
    vectors = np.stack([first, beam.middle, beam.step], axis=1)
    return vectors if views is None else vectors.reshape(geometry.shape[0], -1, 3, 2)[views].reshape(-1, 3, 2)


def plane(geometry: Geometry, views: np.ndarray | None = None) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(kernel, projection geometry, volume geometry) of 2-D data on a CPU, whose sinograms are (detectors, bins of each).

    `linear` is the parallel kernel that respects quarter turns; ASTRA has no linear fan kernel, and its distance_driven ones give
    an empty matrix without an error.
    """
    vectors = (rays(geometry, views)[..., ::-1] * [1, -1]).reshape(-1, 6)
    kind, kernel = ("parallel_vec", "linear") if geometry.beam().source is None else ("fanflat_vec", "line_fanflat")
    half = geometry.fov_m / 2
    volume = astra.create_vol_geom(geometry.pixels, geometry.pixels, -half, half, -half, half)
    return kernel, astra.create_proj_geom(kind, geometry.beam().bins, vectors), volume


def stack(geometry: Geometry, slices: int) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(kernel, projection geometry, volume geometry) of a stack of slices as 3-D data on CUDA, all projected by the same rays.

    Data are (slices, rows, columns) and (slices, detectors, bins of each). Rays from a point would become a cone: `stacks` says
    whether more than one slice is possible.
    """
    if slices != 1 and not stacks(geometry):
        raise ValueError(f"rays from a point take one slice, not {slices}")
    beam = geometry.beam()
    vectors = np.zeros((len(beam.step), 4, 3))
    vectors[:, :3, :2] = rays(geometry)[..., ::-1]
    vectors[:, 3, 2] = geometry.pixel_m  # from detector row to row
    half, height = geometry.fov_m / 2, slices * geometry.pixel_m / 2
    volume = astra.create_vol_geom(geometry.pixels, geometry.pixels, slices, -half, half, -half, half, -height, height)
    kind = "parallel3d_vec" if stacks(geometry) else "cone_vec"
    return "cuda3d", astra.create_proj_geom(kind, slices, beam.bins, vectors.reshape(-1, 12)), volume


def stacks(geometry: Geometry) -> bool:
    """Whether slices can be projected together: where rays are parallel."""
    return geometry.beam().source is None
