"""The centre of rotation, found from the sinogram itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ctrecon.errors import InputError
from ctrecon.models.conjugate_gradients import conjugate_gradients, per_image
from ctrecon.physics.facts import covered
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.matrix_free import MatrixFree
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Sinogram

LEAST_DEG = 170.0  # of views: with fewer, images with another shift fit the data as well, and the least misfit is elsewhere
LEAST_VIEWS = 20
MOST_VIEWS = 180  # that are used
UNKNOWNS = 0.8  # pixels for each measured value at most: with more, every shift fits
SIDES = (64, 48, 32)  # pixels of the finer grid; the other has half of them
FIRST, ITERATIONS = 10, 40  # of conjugate gradients: in the search over the range, and around its best shift
RANGE = 0.3  # of the detector's width, to either side
AROUND = np.linspace(-1, 1, 7)  # bins of a grid: the shifts that are tried around its best one
NEAR = 0.3  # of their middle: where the least misfit is, or they are moved
MOVES = 5
CURE = "say centre=BIN, the bin that the central ray meets, counted from 0, or geometry.offset_m=METRES"


@dataclass(frozen=True)
class Centre:
    """Where the central ray meets the detector.

    Attributes:
        offset_m: The detector's shift (`Geometry.offset_m`).
        error_m: A standard error of it: that of the noise, and how far the two grids are apart.
        tried_m: Shifts around it that were tried, in ascending order.
        misfits: The misfit at each of them over the least one on their grid.
    """

    offset_m: float
    error_m: float
    tried_m: Sequence[float]
    misfits: Sequence[float]


def offset_of(geometry: Geometry, centre: int | float) -> float:
    """The detector's shift where the central ray meets bin `centre`, counted from 0, fractions allowed. Raises InputError beside the detector."""
    if not 0 <= centre <= geometry.bins - 1:
        raise InputError(f"centre={centre}: expected a bin from 0 to {geometry.bins - 1}, fractions allowed, or find")
    return ((geometry.bins - 1) / 2 - centre) * geometry.bin_m


def bin_of(geometry: Geometry, offset_m: float) -> float:
    """The bin, counted from 0, that the central ray meets where the detector is shifted so far."""
    return (geometry.bins - 1) / 2 - offset_m / geometry.bin_m


@torch.no_grad()
def find_centre(geometry: Geometry, y: Sinogram) -> Centre:
    """The shift of the detector at which the sinogram fits an image best.

    The misfit min_x |A x - y|^2 (conjugate gradients, stopped after a number of steps) is tried on a coarse grid over shifts of up to 0.3 of the
    detector's width to either side of the geometry's own, then around its least value, there and on a finer grid, whose unknowns stay fewer than the
    measured values. A cubic through the values of the finer one gives the shift.

    Args:
        geometry: The scan; its `offset_m` is where the search begins.
        y: Its sinogram (1, 1, A, D), in any unit.

    Raises:
        InputError: The data do not decide: too few views, less than about half a turn of them, no clear least misfit, or one at the edge.
    """
    geometry.check(y)
    degrees, views = covered(geometry), geometry.shape[0]
    if degrees < LEAST_DEG or views < LEAST_VIEWS:
        raise InputError(
            f"centre=find: {views} views over {degrees:.4g} degrees do not decide where the centre is; expected at least {LEAST_VIEWS} over "
            f"{LEAST_DEG:g}: {CURE}"
        )
    if not y.any():
        raise InputError(f"centre=find: all values of the sinogram are zero: {CURE}")
    grids, found = _grids(geometry, y / y.abs().max()), []
    here = _start(grids[0], geometry)
    for grid in grids:
        found.append(_refined(grid, here))
        here = found[-1].offset_m
    last = found[-1]
    error_m = math.hypot(last.error_m, last.offset_m - found[-2].offset_m)
    if not error_m < grids[-1].scan.bin_m:
        raise InputError(
            f"centre=find: the data do not decide where the centre is: bin {bin_of(geometry, here):.2f} with a standard error of "
            f"{error_m / geometry.bin_m:.2g} bins: {CURE}"
        )
    return replace(last, error_m=error_m)


@dataclass(frozen=True)
class _Grid:
    """The scan on a coarser grid, with bins as wide as the shadows of its pixels.

    Attributes:
        scan: With the shift that its bins have by themselves, as those that are left over at the end are not used.
        y: The sinogram.
    """

    scan: Geometry
    y: Sinogram

    def misfit(self, offset_m: float, iterations: int = ITERATIONS) -> float:
        """The misfit where the detector is shifted so far."""
        scan = replace(self.scan, offset_m=self.scan.offset_m + offset_m)
        ray, unit = RayTransform(scan, MatrixFree), scan.fov_m  # far from float32's limits

        def forward(x: torch.Tensor) -> torch.Tensor:
            return ray(x) / unit

        def transpose(y: torch.Tensor) -> torch.Tensor:
            return ray.transpose(y) / unit

        x = conjugate_gradients(lambda x: transpose(forward(x)), transpose(self.y), iterations, per_image)
        return (forward(x) - self.y).double().square().sum().item()


def _grids(geometry: Geometry, y: Sinogram) -> list[_Grid]:
    """Two grids, the coarser one first."""
    some = np.linspace(0, geometry.shape[0], min(geometry.shape[0], MOST_VIEWS), endpoint=False).astype(int)
    scan, part = replace(geometry, views=[geometry.seen.numbers[one] for one in some]), y[:, :, some]
    grids = (_on(scan, part, pixels) for pixels in SIDES)
    finest = next((grid for grid in grids if math.pi / 4 * grid.scan.pixels**2 <= UNKNOWNS * grid.y.numel()), None)
    if finest is None:
        raise InputError(
            f"centre=find: {geometry.shape[0]} views of {geometry.bins} bins are too few to decide where the centre is: {CURE}"
        )
    return [_on(scan, part, finest.scan.pixels // 2), finest]


def _on(scan: Geometry, y: Sinogram, pixels: int) -> _Grid:
    joined = max(1, round(2 * scan.shadow_m(scan.fov_m / 2) / scan.bin_m / pixels))
    bins = scan.bins // joined
    beside_m = (bins * joined - scan.bins) / 2 * scan.bin_m
    coarse = replace(scan, pixels=pixels, bins=bins, bin_m=joined * scan.bin_m, offset_m=beside_m)
    return _Grid(coarse, y[..., : bins * joined].unflatten(-1, (bins, joined)).mean(-1))


def _start(grid: _Grid, geometry: Geometry) -> float:
    """The best shift of all, to a bin of the grid. Raises InputError where it is at the edge of those that are tried."""
    width_m = geometry.bins * geometry.bin_m
    steps = math.ceil(RANGE * width_m / grid.scan.bin_m)
    tried_m = geometry.offset_m + grid.scan.bin_m * np.arange(-steps, steps + 1)
    misfits = np.array([grid.misfit(one, FIRST) for one in tried_m])
    best = int(misfits.argmin())
    if best in (0, 2 * steps):
        raise InputError(
            f"centre=find: no centre fits the data within {RANGE:g} of the detector's width around bin {bin_of(geometry, geometry.offset_m):.4g}: "
            f"{CURE}"
        )
    return float(tried_m[best])


def _refined(grid: _Grid, here: float) -> Centre:
    """The least of the cubic through misfits around a shift, and the standard error that noise alone would make."""
    width_m = grid.scan.bin_m
    for _ in range(MOVES):
        misfits = np.array([grid.misfit(here + width_m * one) for one in AROUND])
        cubic = np.polynomial.Polynomial.fit(AROUND, misfits, 3, domain=[-1, 1])
        curved = cubic.deriv(2)
        least = [float(one.real) for one in cubic.deriv().roots() if not one.imag and abs(one) < 1 and curved(one.real) > 0]
        # Of least squares the variance is twice that of the noise over the second derivative; noise is what the best image leaves.
        noise = misfits.min() / (grid.y.numel() - math.pi / 4 * grid.scan.pixels**2)
        error_m = width_m * math.sqrt(2 * noise / curved(least[0])) if least else math.inf
        offset_m = here + width_m * (least[0] if least else float(AROUND[misfits.argmin()]))
        found = Centre(offset_m, float(error_m), (here + width_m * AROUND).tolist(), (misfits / misfits.min()).tolist())
        if abs(offset_m - here) < NEAR * width_m and least:
            break
        here = offset_m
    return found
