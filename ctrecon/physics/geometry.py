r"""Acquisition geometries: a square pixel grid and the rays that measure it. Lengths in metres, angles in radians.

Convention (ODL's, so that arrays pass to and from ODL unchanged): the first axis runs down the rows, the second along the
columns, the origin is the image centre. At view angle a the detector axis is e = (cos a, sin a); a ray of the parallel beam is
{p : <p, e> = u}, the fan's source sits at -d source_m with d = (-sin a, cos a). Angles grow counter-clockwise on screen.

A quarter turn of the object, `x.rot90()`, permutes the views where the angle set is itself invariant under it: y turned is
y shifted along the views, and where the shift wraps around a half turn the detector flips (a ray read backwards).
"""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from odl import nonuniform_partition, uniform_discr, uniform_partition
from odl.applications import tomo
from torch import Tensor

from ctrecon.errors import InputError
from ctrecon.shapes import Sinogram


@dataclass(frozen=True)
class Geometry(abc.ABC):
    """A pixel grid, the views of a scanner that are used, and its detector.

    Attributes:
        pixels: Image rows and columns.
        fov_m: Side of the square image.
        views: Which views: a number (evenly spaced over the arc), a list of view numbers, or a slice such as "0:181" or "::2".
        bins: Detector bins; None: as many as pixels on the image's diagonal.
        bin_m: Width of a bin; None: the detector just sees the whole image.
        start_deg: Angle of view 0.
        scan_views: Number of views the scanner took, from which `views` picks; None: it took just `views`.
        step_deg: Angle between the scanner's views; None: the arc divided by their number.

    Raises:
        InputError: A value is out of range.
    """

    pixels: int
    fov_m: float
    views: int | str | Sequence[int]
    bins: int | None = None
    bin_m: float | None = None
    start_deg: float = 0.0
    scan_views: int | None = None
    step_deg: float | None = None

    arc_deg: ClassVar[float]  # the range of angles after which rays repeat

    def __post_init__(self) -> None:
        if not isinstance(self.views, int | str):
            if not isinstance(self.views, Sequence) or not all(isinstance(view, int) for view in self.views):
                raise InputError(f"geometry.views={self.views}: expected a number, a list of view numbers or a slice such as 0:181")
            object.__setattr__(self, "views", tuple(self.views))  # hashable: matrices are cached by geometry
        for name, low in {"pixels": 4, "bins": 2, "scan_views": 1}.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < low):
                raise InputError(f"geometry.{name}={value}: expected a whole number of at least {low}")
        for name in ("fov_m", "bin_m", "step_deg"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"geometry.{name}={value}: expected a positive number")
        if self.bins is None:
            object.__setattr__(self, "bins", math.ceil(math.sqrt(2) * self.pixels))
        if self.bin_m is None:
            object.__setattr__(self, "bin_m", self._detector_m() / self.bins)
        self.view_numbers  # noqa: B018  raises early

    @property
    def view_numbers(self) -> tuple[int, ...]:
        """Numbers of the used views among the scanner's."""
        per_arc = self.scan_views if self.step_deg is None else round(self.arc_deg / self.step_deg)
        scanned = self.scan_views or (self.views if isinstance(self.views, int) else None)
        if scanned is None:
            raise InputError(f"geometry.views={self.views}: picking views needs geometry.scan_views, the number the scanner took")
        if isinstance(self.views, str):
            try:
                numbers = tuple(range(scanned))[slice(*(int(part) if part else None for part in self.views.split(":")))]
            except (ValueError, TypeError):
                raise InputError(f"geometry.views={self.views}: expected a slice such as 0:181 or ::2") from None
        elif isinstance(self.views, int):
            even = self.views in (scanned, per_arc) or self.scan_views is None
            numbers = tuple(range(self.views) if even else (k * per_arc // self.views for k in range(self.views)))
        else:
            numbers = self.views
        if not numbers or min(numbers) < 0 or max(numbers) >= scanned or len(set(numbers)) < len(numbers):
            raise InputError(f"geometry.views={self.views}: expected different views among the scanner's 0 to {scanned - 1}")
        return numbers

    @property
    def angles_rad(self) -> np.ndarray:
        """Angles of the used views, (A,), in their order."""
        step = self.step_deg or self.arc_deg / (self.scan_views or len(self.view_numbers))
        return np.deg2rad(self.start_deg + step * np.array(self.view_numbers))

    @property
    def shape(self) -> tuple[int, int]:
        """(A, D): views and bins of a sinogram."""
        return len(self.view_numbers), self.bins

    @property
    def pixel_m(self) -> float:
        """Width of a pixel."""
        return self.fov_m / self.pixels

    def check(self, y: Tensor, name: str = "sinogram") -> None:
        """Raises InputError, about what `name` calls it, where a sinogram is not of this geometry."""
        (views, bins), (given_views, given_bins) = self.shape, y.shape[-2:]
        if (given_views, given_bins) != (views, bins):
            raise InputError(
                f"{name} of {given_views} views x {given_bins} bins, the geometry has {views} x {bins}: "
                "was it made with another conf/geometry?"
            )

    def finer(self, factor: int) -> "Geometry":
        """The same scan of the same object on a grid `factor` times finer: for simulating without an inverse crime."""
        return replace(self, pixels=factor * self.pixels)  # the detector is set by now and stays

    def quarter(self) -> int:
        """How many views a quarter turn shifts.

        Raises:
            InputError: The angle set is not invariant under a quarter turn.
        """
        views, degrees = self.shape[0], np.rad2deg(self.angles_rad)
        shift = round(views * 90 / self.arc_deg)
        even = np.allclose(np.diff(degrees), self.arc_deg / views, rtol=0, atol=1e-9)
        if not even or shift * self.arc_deg != views * 90:
            raise InputError(
                f"the {views} views of this geometry are not invariant under a quarter turn: "
                f"expected evenly spaced views over {self.arc_deg:g} degrees, their number a multiple of {round(self.arc_deg / 90)}"
            )
        return shift

    def turn(self, y: Sinogram, quarters: int = 1) -> Sinogram:
        """The sinogram of the image turned by `quarters` times 90 degrees (`x.rot90(quarters, (-2, -1))`).

        Raises:
            InputError: The angle set is not invariant under a quarter turn.
        """
        shift = self.quarter()
        for _ in range(quarters % 4):
            wrapped = y[..., -shift:, :]
            y = torch.cat([wrapped.flip(-1) if self.arc_deg == 180 else wrapped, y[..., :-shift, :]], dim=-2)
        return y

    def space(self):
        """ODL's space of images on this grid."""
        half = self.fov_m / 2
        return uniform_discr([-half] * 2, [half] * 2, [self.pixels] * 2, dtype="float32")

    @abc.abstractmethod
    def to_odl(self) -> tomo.Geometry:
        """The same rays as an ODL geometry (views in ascending order of angle, as ODL demands).

        Raises:
            InputError: The used views are not in ascending order.
        """

    @abc.abstractmethod
    def _detector_m(self) -> float:
        """Width of the detector that just sees the image's circumscribed circle."""

    def _partitions(self):
        angles = self.angles_rad
        if (np.diff(angles) <= 0).any():
            raise InputError(f"geometry.views={self.views}: expected views in ascending order")
        step = self.step_deg or self.arc_deg / (self.scan_views or len(angles))
        ends = {"min_pt": angles[0] - math.radians(step) / 2, "max_pt": angles[-1] + math.radians(step) / 2}
        half = self.bins * self.bin_m / 2
        return nonuniform_partition(angles, **ends), uniform_partition(-half, half, self.bins)


@dataclass(frozen=True)
class Parallel(Geometry):
    """Parallel beam. Rays repeat, read backwards, after half a turn.

    Example:
        >>> Parallel(pixels=512, fov_m=0.36, views=50).shape
        (50, 725)
    """

    arc_deg: ClassVar[float] = 180.0

    def to_odl(self) -> tomo.Parallel2dGeometry:
        """ODL's `Parallel2dGeometry`."""
        return tomo.Parallel2dGeometry(*self._partitions())

    def _detector_m(self) -> float:
        return math.sqrt(2) * self.fov_m


@dataclass(frozen=True)
class Fan(Geometry):
    """Fan beam with a flat detector.

    Attributes:
        source_m: Distance from the source to the centre of rotation.
        detector_m: Distance from the source to the detector.

    Example:
        >>> Fan(pixels=64, fov_m=0.07, views=360, source_m=0.41, detector_m=0.55).quarter()
        90
    """

    source_m: float = 0.5
    detector_m: float = 1.0

    arc_deg: ClassVar[float] = 360.0

    def __post_init__(self) -> None:
        if not self.detector_m >= self.source_m > self.fov_m / math.sqrt(2):
            raise InputError(
                f"geometry.source_m={self.source_m}, detector_m={self.detector_m}: expected a source outside the image's "
                f"circumscribed circle ({self.fov_m / math.sqrt(2):.4g} m) and a detector not before the centre of rotation"
            )
        super().__post_init__()

    def to_odl(self) -> tomo.FanBeamGeometry:
        """ODL's `FanBeamGeometry` with a flat detector."""
        return tomo.FanBeamGeometry(*self._partitions(), src_radius=self.source_m, det_radius=self.detector_m - self.source_m)

    def _detector_m(self) -> float:
        return 2 * self.detector_m * math.tan(math.asin(self.fov_m / math.sqrt(2) / self.source_m))
