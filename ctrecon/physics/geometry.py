r"""Acquisition geometries: a square pixel grid and the rays that measure it. Lengths in metres, angles in radians.

Convention (ODL's, so that arrays pass to and from ODL unchanged): the first axis runs down the rows, the second along the
columns, the origin is the centre of rotation. At view angle a the detector axis is e = (cos a, sin a); a ray of the parallel beam
is {p : <p, e> = u}, the fan's source sits at -d source_m with d = (-sin a, cos a). Bin j sees u = (j - (bins - 1) / 2) bin_m +
offset_m. Angles grow counter-clockwise on screen.
"""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from ctrecon.errors import InputError
from ctrecon.physics.symmetry import Move, symmetries
from ctrecon.shapes import Sinogram

Numbers = Sequence[int | float]


@dataclass(frozen=True)
class Geometry(abc.ABC):
    """A pixel grid, the views of a scanner that are used, and its detector.

    Attributes:
        pixels: Image rows and columns.
        fov_m: Side of the square image.
        views: Which views: a number (evenly spread over the arc, or over the scan where that is shorter), a list of view numbers,
            or a slice such as "0:181" or "::2"; None: all that the scanner took.
        bins: Detector bins; None: as many as pixels on the image's diagonal.
        bin_m: Width of a bin; None: the detector just sees the whole image.
        start_deg: Angle of view 0, or, with `angles_deg`, what is added to each of them.
        scan_views: Number of views the scanner took, from which `views` picks; None: it took just `views`.
        step_deg: Angle between the scanner's views; None: the arc divided by their number.
        angles_deg: Angles of the scanner's views, in any order; None: they are evenly spaced by `step_deg`.
        offset_m: How far the detector's middle is shifted along its axis from the central ray.
        centre_m: Row and column coordinate of the image's centre, from the centre of rotation.

    Raises:
        InputError: A value is out of range.
    """

    pixels: int
    fov_m: float
    views: int | str | Sequence[int] | None = None
    bins: int | None = None
    bin_m: float | None = None
    start_deg: float = 0.0
    scan_views: int | None = None
    step_deg: float | None = None
    angles_deg: Numbers | None = None
    offset_m: float = 0.0
    centre_m: Numbers = (0.0, 0.0)

    arc_deg: ClassVar[float]  # the range of angles after which rays repeat

    def __post_init__(self) -> None:
        self._check_lists()
        for name, low in {"pixels": 4, "bins": 2, "scan_views": 1}.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < low):
                raise InputError(f"geometry.{name}={value}: expected a whole number of at least {low}")
        for name in ("fov_m", "bin_m", "step_deg"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise InputError(f"geometry.{name}={value}: expected a positive number")
        for name in ("start_deg", "offset_m"):
            if not math.isfinite(getattr(self, name)):
                raise InputError(f"geometry.{name}={getattr(self, name)}: expected a finite number")
        if self.bins is None:
            object.__setattr__(self, "bins", math.ceil(math.sqrt(2) * self.pixels))
        if self.bin_m is None:
            object.__setattr__(self, "bin_m", self._detector_m() / self.bins)
        self.view_numbers  # noqa: B018  raises early

    def _check_lists(self) -> None:
        lists = {"views": ("a number, a list of view numbers or a slice such as 0:181", int)}
        lists |= {"angles_deg": ("a list of angles in degrees", int | float), "centre_m": ("two lengths in metres", int | float)}
        for name, (expected, kind) in lists.items():
            value = getattr(self, name)
            if value is None or (name == "views" and isinstance(value, int | str)):
                continue
            if not value or isinstance(value, str) or not isinstance(value, Sequence) or not all(_is(v, kind) for v in value):
                raise InputError(f"geometry.{name}={value}: expected {expected}")
            object.__setattr__(self, name, tuple(value))  # hashable: projectors are kept by geometry
        if len(self.centre_m) != 2:
            raise InputError(f"geometry.centre_m={list(self.centre_m)}: expected two lengths in metres")
        if self.angles_deg is not None and (self.step_deg is not None or self.scan_views not in (None, len(self.angles_deg))):
            raise InputError(
                f"geometry.angles_deg lists {len(self.angles_deg)} views: expected step_deg=null and scan_views=null beside it"
            )

    @property
    def scanned(self) -> int:
        """Number of views that the scanner took. Raises InputError where nothing says it."""
        number = len(self.angles_deg or ()) or self.scan_views or (self.views if isinstance(self.views, int) else 0)
        if number < 1:
            raise InputError(f"geometry.views={self.views}: picking views needs geometry.scan_views, the number the scanner took")
        return number

    @cached_property
    def view_numbers(self) -> tuple[int, ...]:
        """Numbers of the used views among the scanner's."""
        scanned, views = self.scanned, self.views
        if views is None:
            return tuple(range(scanned))
        if isinstance(views, str):
            try:
                numbers = tuple(range(scanned))[slice(*(int(part) if part else None for part in views.split(":")))]
            except (ValueError, TypeError):
                raise InputError(f"geometry.views={views}: expected a slice such as 0:181 or ::2") from None
        elif isinstance(views, int):
            # A scan of more than the arc repeats its first views: an even choice stays below.
            arc = scanned if self.step_deg is None else min(scanned, round(self.arc_deg / self.step_deg))
            numbers = tuple(range(views) if views == scanned else (k * arc // views for k in range(views)))
        else:
            numbers = views
        if not numbers or min(numbers) < 0 or max(numbers) >= scanned or len(set(numbers)) < len(numbers):
            raise InputError(f"geometry.views={views}: expected different views among the scanner's 0 to {scanned - 1}")
        return numbers

    @property
    def angles_rad(self) -> np.ndarray:
        """Angles of the used views, (A,), in their order."""
        numbers = np.array(self.view_numbers)
        if self.angles_deg is not None:
            return np.deg2rad(self.start_deg + np.array(self.angles_deg, dtype=np.float64)[numbers])
        return np.deg2rad(self.start_deg + (self.step_deg or self.arc_deg / self.scanned) * numbers)

    @property
    def shape(self) -> tuple[int, int]:
        """(A, D): views and bins of a sinogram."""
        return len(self.view_numbers), self.bins

    @property
    def pixel_m(self) -> float:
        """Width of a pixel."""
        return self.fov_m / self.pixels

    @property
    def bins_m(self) -> np.ndarray:
        """Detector coordinate of every bin, (D,)."""
        return (np.arange(self.bins) - (self.bins - 1) / 2) * self.bin_m + self.offset_m

    def check(self, y: Sinogram, name: str = "sinogram") -> None:
        """Raises InputError, about what `name` calls it, where a sinogram is not of this geometry."""
        (views, bins), (given_views, given_bins) = self.shape, y.shape[-2:]
        if (given_views, given_bins) != (views, bins):
            raise InputError(
                f"{name} of {given_views} views x {given_bins} bins, the geometry has {views} x {bins}: "
                "was it made with another conf/geometry?"
            )

    def used(self, y: np.ndarray) -> np.ndarray:
        """The used views of a sinogram of all views that the scanner took; any other is left as it is, for `check` to judge."""
        return y[list(self.view_numbers)] if y.shape == (self.scanned, self.bins) else y

    def finer(self, factor: int) -> "Geometry":
        """The same scan of the same object on a grid `factor` times finer: for simulating without an inverse crime."""
        return replace(self, pixels=factor * self.pixels)  # the detector is set by now and stays

    @abc.abstractmethod
    def frames(self) -> Float[np.ndarray, "A P 2"]:
        """What fixes the rays of a view: (row, column) from the image's centre, metres.

        Parallel: the point of the detector's middle on the central ray next to the image's centre, and half the detector's extent.
        Fan: the source, the detector's middle, and half the detector's extent. The extent runs towards the higher bins.
        """

    @abc.abstractmethod
    def _detector_m(self) -> float:
        """Width of the detector that just sees the image's circumscribed circle, when the two are centred."""

    def moves(self) -> Sequence[Move]:
        """The turns and mirrors of the image that this scan shares, the identity first."""
        return _moves(self)

    def turn(self, y: Sinogram, quarters: int = 1) -> Sinogram:
        """The sinogram of the image turned by `quarters` times 90 degrees (`x.rot90(quarters, (-2, -1))`).

        Raises:
            InputError: The rays are not invariant under that turn.
        """
        for move in self.moves():
            if (move.quarters, move.mirrored) == (quarters % 4, False):
                return move.of_sinogram(y)
        raise InputError(
            f"the {self.shape[0]} views of this geometry are not invariant under a quarter turn: expected a centred detector and "
            f"image, and evenly spaced views over {self.arc_deg:g} degrees, their number a multiple of {round(self.arc_deg / 90)}"
        )


@lru_cache(maxsize=16)
def _moves(geometry: Geometry) -> Sequence[Move]:
    return symmetries(geometry.frames(), geometry.fov_m)


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)


def axes(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Detector axis e and direction of the central ray d of each view, (A, 2) each, as (row, column)."""
    axis = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return axis, across(axis)


def across(axis: np.ndarray) -> np.ndarray:
    """The direction of the central ray from that of the detector's axis, (A, 2) each: a quarter turn on."""
    return np.stack([-axis[:, 1], axis[:, 0]], axis=1)
