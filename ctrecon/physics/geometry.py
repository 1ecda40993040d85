r"""Acquisition geometries: a square pixel grid and the rays that measure it. Lengths in metres, angles in radians.

Convention (ODL's, so that arrays pass to and from ODL unchanged): the first axis runs down the rows, the second along the
columns, the origin is the centre of rotation. At view angle a the detector axis is e = (cos a, sin a); a ray of the parallel beam
is {p : <p, e> = u}, the fan's source sits at -d source_m with d = (-sin a, cos a). Bin j sees u = (j - (bins - 1) / 2) bin_m +
offset_m. Angles grow counter-clockwise on screen.

A geometry says where its rays run, and all else asks it: no other file knows which geometries there are. A new one is a class in a file
of its own that gives `frames`, `shadow_m` and `ray_weights`; where its detector is not flat, also `beam`, `hits` and `ramp`.
"""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ctrecon.errors import InputError
from ctrecon.physics.beam import Beam
from ctrecon.physics.bounds import check_count, check_length, check_shift
from ctrecon.physics.symmetry import Move, symmetries
from ctrecon.physics.views import Views, views_of
from ctrecon.shapes import Sinogram


@dataclass(frozen=True)
class Geometry(abc.ABC):
    """A pixel grid, the views of a scanner that are used, and its detector. Equal scans are equal, however their views were chosen.

    Attributes:
        pixels: Image rows and columns.
        fov_m: Side of the square image.
        views: Numbers of the used views among the scanner's. Given as a number of views, a list, a slice or nothing (`views_of`).
        bins: Detector bins; None: as many as pixels on the image's diagonal.
        bin_m: Width of a bin; None: the detector just sees the whole image.
        start_deg: Angle of view 0, or, with `angles_deg`, what is added to each of them.
        scan_views: Number of views the scanner took, from which `views` picks; None: it took just `views`.
        step_deg: Angle between the scanner's views; None: the arc divided by their number.
        angles_deg: Angles of the scanner's views, in any order; None: they are evenly spaced by `step_deg`.
        offset_m: How far the detector's middle is shifted along its axis from the central ray.
        centre_m: Row and column coordinate of the image's centre, from the centre of rotation.
        seen: The used views and their angles; not given, but found from the rest.

    Raises:
        InputError: A value is out of range.
    """

    pixels: int
    fov_m: float
    views: int | str | Sequence[int] | None = None
    bins: int | None = None
    bin_m: float | None = None
    start_deg: float = field(default=0.0, compare=False)  # `seen` holds the angles that come of these
    scan_views: int | None = None
    step_deg: float | None = field(default=None, compare=False)
    angles_deg: Sequence[int | float] | None = field(default=None, compare=False)
    offset_m: float = 0.0
    centre_m: Sequence[int | float] = (0.0, 0.0)
    seen: Views = field(init=False, repr=False)

    arc_deg: ClassVar[float]  # the range of angles after which rays repeat

    def __post_init__(self) -> None:
        self._check()
        seen = views_of(self.views, self.scan_views, self.step_deg, self.angles_deg, self.start_deg, self.arc_deg)
        self._set(seen=seen, views=seen.numbers, scan_views=seen.scanned, centre_m=tuple(self.centre_m))
        self._set(angles_deg=self.angles_deg and tuple(self.angles_deg), bins=self.bins or math.ceil(math.sqrt(2) * self.pixels))
        self._set(bin_m=self.bin_m or 2 * self.shadow_m(math.sqrt(2) * self.fov_m / 2) / self.bins)

    def _check(self) -> None:
        check_count("pixels", self.pixels, 4)
        if self.bins is not None:
            check_count("bins", self.bins, 2)
        for name in (option.name for option in fields(self) if option.name.endswith("_m")):  # those of subclasses too
            value = getattr(self, name)
            if name == "offset_m":
                check_shift(name, value)
            elif name == "centre_m":
                if len(value) != 2:
                    raise InputError(f"geometry.centre_m={list(value)}: expected two lengths in metres")
                for one in value:
                    check_shift(name, one)
            elif value is not None:
                check_length(name, value)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @abc.abstractmethod
    def frames(self) -> Float[np.ndarray, "A P 2"]:
        """A few points that fix all rays of a view: (row, column) from the image's centre, metres.

        The last is half the detector's extent, a vector towards the higher bins; the one before it is the detector's middle (with
        parallel rays, the point of the ray through it that is next to the image's centre). Rays that come from a point have that
        source before it. (Two scans of one class whose frames agree have the same rays: symmetries are found by them.)
        """

    @abc.abstractmethod
    def shadow_m(self, radius: float) -> float:
        """Half the width, on the detector, of the shadow of a disc around the centre of rotation, seen centrally."""

    @abc.abstractmethod
    def ray_weights(self) -> Float[np.ndarray, "A D"]:
        """By what filtered back-projection multiplies each ray before the filter: the angle in radians that the ray stands for
        (`redundancy`), times the cosine of its angle to the central one. Raises InputError where the views do not allow it."""

    @property
    def angles_rad(self) -> Float[np.ndarray, " A"]:
        """Angles of the used views, in their order."""
        return np.array(self.seen.angles_rad)

    @property
    def shape(self) -> tuple[int, int]:
        """(A, D): views and bins of a sinogram."""
        return len(self.seen.numbers), self.bins

    @property
    def pixel_m(self) -> float:
        """Width of a pixel."""
        return self.fov_m / self.pixels

    @property
    def bins_m(self) -> Float[np.ndarray, " D"]:
        """Detector coordinate of every bin."""
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
        return y[list(self.seen.numbers)] if y.shape == (self.seen.scanned, self.bins) else y

    def finer(self, factor: int) -> "Geometry":
        """The same scan of the same object on a grid `factor` times finer: for simulating without an inverse crime."""
        return replace(self, pixels=factor * self.pixels)  # the detector is set by now and stays

    def of_views(self, places: Sequence[int]) -> "Geometry":
        """The same scan of the views at these places among the used ones alone."""
        return replace(self, views=[self.seen.numbers[place] for place in places])

    def beam(self) -> Beam:
        """The rays as flat detectors, a detector a view; a curved one may be given in pieces, whose bins follow one another."""
        frames = self.frames()
        return Beam(self.sources(), frames[:, -2], frames[:, -1] / (self.bins / 2), self.bins)

    def sources(self) -> Float[np.ndarray, "A 2"] | None:
        """From where the rays of each view come; None: they are parallel, at right angles to the detector."""
        frames = self.frames()
        return frames[:, 0] if frames.shape[1] > 2 else None

    def hits(self, views: slice, like: Tensor) -> tuple[Float[Tensor, "V H W"], Float[Tensor, "V H W"] | None]:
        """For filtered back-projection: where the ray through each pixel meets the detector, in bins from its middle, and by what the
        pixel's value is multiplied (None: one). Of the type and on the device of a tensor `like`."""
        axis = self.pixel_m * (np.arange(self.pixels) - (self.pixels - 1) / 2)
        return self.beam().of(views).hits(axis, -np.array(self.centre_m), like)

    def ramp(self, bins: Float[np.ndarray, " L"]) -> Float[np.ndarray, " L"]:
        """The ramp filter at so many bins' distance times the width of a bin, both scaled to the centre of rotation, in 1/m."""
        kernel = np.where(bins % 2 == 1, -1 / (np.pi * np.where(bins == 0, 1, bins)) ** 2, 0.0)
        kernel[bins == 0] = 0.25
        return kernel / (self.bin_m / self.beam().magnification(-np.array(self.centre_m)))

    def odl_form(self) -> tuple[str, dict[str, float]]:
        """The name of ODL's class of these rays, and what it takes beside views and detector. Raises InputError: ODL has none."""
        raise InputError(f"{type(self).__name__}: ODL has no such geometry")

    def moves(self) -> Sequence[Move]:
        """The turns and mirrors of the image that this scan shares, the identity first."""
        return _moves(self)

    def turn(self, y: Float[Tensor, "B C A D"], quarters: int = 1) -> Float[Tensor, "B C A D"]:
        """The sinogram, or sinograms as channels, of the image turned by `quarters` times 90 degrees (`x.rot90(quarters, (-2, -1))`).

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
