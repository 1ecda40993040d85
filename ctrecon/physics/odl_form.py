"""ODL's form of a scan, both ways: geometries from and to ODL, and our ray transform as an ODL operator.

Arrays pass unchanged in either direction.
"""

import math
from collections.abc import Callable
from typing import Any, no_type_check

import numpy as np
import odl
import torch
from odl.applications import tomo

from ctrecon.errors import InputError
from ctrecon.physics.beam import across
from ctrecon.physics.fan import Fan
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.ray import RayTransform

TOLERANCE = 1e-6  # of the image's side, by which ODL's rays may miss ours


def from_odl(rays: tomo.Geometry, space: odl.DiscretizedSpace) -> Geometry:
    """The scan of an ODL geometry: `RayTransform(from_odl(rays, space))` agrees with `tomo.RayTransform(space, rays)`.

    Args:
        rays: Any 2-D parallel-beam, or fan-beam geometry with a flat detector: any angles, translation, initial position, or
            shift of the detector. (ODL's own CPU backend ignores the latter three for parallel beams.)
        space: Square images of square pixels, anywhere.

    Raises:
        InputError: The rays or the images are of another kind.
    """
    side = _side(space)
    fan = isinstance(rays, tomo.FanBeamGeometry)
    if not (fan or isinstance(rays, tomo.Parallel2dGeometry)):
        raise InputError(f"{type(rays).__name__}: expected ODL's Parallel2dGeometry or FanBeamGeometry")
    if not (rays.det_partition.is_uniform and isinstance(rays.detector, tomo.Flat1dDetector)):
        raise InputError(f"{type(rays.detector).__name__}: expected a flat detector of equal bins")
    angles = np.atleast_1d(rays.angles)
    bins, bin_m = rays.det_partition.size, float(rays.det_partition.cell_sides[0])
    axis = np.reshape(rays.det_axis(angles), (-1, 2))
    depth = across(axis)
    middle = np.reshape(rays.det_point_position(angles, float(rays.det_params.mid_pt[0])), (-1, 2))
    degrees = [float(a) for a in np.rad2deg(np.arctan2(axis[:, 1], axis[:, 0]))]
    if fan:
        source = np.reshape(rays.src_position(angles), (-1, 2))
        # Source at t - source_m d, for a centre of rotation t.
        ones = np.tile(np.eye(2), (len(angles), 1))
        (row, column, source_m), miss = _solve(np.column_stack([ones, -depth.ravel()]), source.ravel())
        detector_m = ((middle - source) * depth).sum(1)
        offset = ((middle - source) * axis).sum(1)
        if source_m < 0 or detector_m.min() < 0:
            raise InputError(
                "the fan's detector axis runs backwards: expected ODL's default det_axis_init; reverse the bins instead"
            )
        miss = max(miss, np.ptp(detector_m), np.ptp(offset))
        distances = {"source_m": float(source_m), "detector_m": float(detector_m[0])}
    else:
        # The central ray at u = offset + <t, e>.
        (row, column, offset), miss = _solve(np.column_stack([axis, np.ones(len(angles))]), (middle * axis).sum(1))
        distances = {}
    if miss > TOLERANCE * side:
        raise InputError(
            f"views are shifted against each other by {miss:.3g} m: expected one centre of rotation and one detector shift"
        )
    centre = [float(c) for c in np.asarray(space.partition.mid_pt) - [row, column]]
    return (Fan if fan else Parallel)(
        pixels=space.shape[0],
        fov_m=side,
        bins=bins,
        bin_m=bin_m,
        angles_deg=degrees,
        offset_m=_clean(float(np.ravel(offset)[0]), side),
        centre_m=[_clean(c, side) for c in centre],
        **distances,
    )


def _side(space: odl.DiscretizedSpace) -> float:
    extent = space.partition.extent if isinstance(space, odl.DiscretizedSpace) and space.ndim == 2 else [0, 0]
    if not (extent[0] > 0 and math.isclose(*extent, rel_tol=1e-9) and space.shape[0] == space.shape[1] and space.is_uniform):
        raise InputError(
            f"images of {getattr(space, 'shape', space)}: expected a 2-D ODL space of square pixels, as many rows as columns"
        )
    return float(extent[0])


def _solve(matrix: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Least squares and its largest miss."""
    solution = np.linalg.lstsq(matrix, values, rcond=None)[0]
    return solution, float(np.abs(matrix @ solution - values).max())


def _clean(length: float, side: float) -> float:
    """Zero where only rounding is left, so that symmetries are seen."""
    return 0.0 if abs(length) < 1e-9 * side else length


def space(geometry: Geometry) -> odl.DiscretizedSpace:
    """ODL's space of images on a geometry's grid."""
    centre, half = np.array(geometry.centre_m), geometry.fov_m / 2
    return odl.uniform_discr(centre - half, centre + half, [geometry.pixels] * 2, dtype="float32")


def to_odl(geometry: Geometry) -> tomo.Geometry:
    """The same rays as an ODL geometry.

    Raises:
        InputError: The views are not in ascending order of angle, as ODL demands, or ODL has no such rays.
    """
    name, distances = geometry.odl_form()
    angles = geometry.angles_rad
    steps = np.diff(angles)
    if (steps <= 0).any():
        raise InputError("ODL expects views in ascending order of angle: sort geometry.angles_deg, or geometry.views")
    first, last = (steps[0] / 2, steps[-1] / 2) if len(steps) else (math.pi / 4, math.pi / 4)
    views = odl.nonuniform_partition(angles, min_pt=angles[0] - first, max_pt=angles[-1] + last)
    half = geometry.bins * geometry.bin_m / 2
    detector = odl.uniform_partition(geometry.offset_m - half, geometry.offset_m + half, geometry.bins)
    return getattr(tomo, name)(views, detector, **distances)


class OdlOperator(odl.Operator):
    """A ray transform as an ODL operator, so that ODL's solvers run on it. Its adjoint is with respect to ODL's inner products.

    Args:
        ray: The ray transform.
        domain: Space of images; None: that of the geometry, in metres.
        sinograms: Space of sinograms; None: that of ODL's own operator.

    Example:
        >>> scan = Parallel(pixels=32, fov_m=0.2, views=20)
        >>> A = OdlOperator(RayTransform(scan))
        >>> A(A.domain.one()).shape
        (20, 46)
    """

    def __init__(
        self, ray: RayTransform, domain: odl.DiscretizedSpace | None = None, sinograms: odl.DiscretizedSpace | None = None
    ) -> None:
        self.ray = ray
        domain = domain or space(ray.geometry)
        # ODL's own operator is cheap until it is used.
        sinograms = sinograms or tomo.RayTransform(domain, to_odl(ray.geometry), impl="astra_cpu").range
        super().__init__(domain, sinograms, linear=True)

    @no_type_check  # ODL reads the signature
    def _call(self, x: Any) -> Any:
        return self.range.element(_on_array(self.ray, self.ray, x.asarray()))

    @property
    def adjoint(self) -> odl.Operator:
        return _Adjoint(self)


class _Adjoint(odl.Operator):
    """<A x, y> = <x, A* y> in ODL's weighted inner products: A* = (1 / w_x) A^T w_y."""

    def __init__(self, operator: OdlOperator) -> None:
        self.operator = operator
        super().__init__(operator.range, operator.domain, linear=True)

    @no_type_check  # ODL reads the signature
    def _call(self, y: Any) -> Any:
        ray = self.operator.ray
        weighted = _on_array(ray, ray.transpose, _weight(self.domain) * y.asarray())
        return self.range.element(weighted / _weight(self.range))

    @property
    def adjoint(self) -> odl.Operator:
        return self.operator


def _weight(discretised: odl.DiscretizedSpace) -> np.ndarray | np.float32:
    """Of the inner product, one number a cell or one for all; float32, as the data are."""
    weighting = discretised.weighting
    return np.float32(weighting.const if hasattr(weighting, "const") else weighting.array)


@torch.no_grad()
def _on_array(ray: RayTransform, transform: Callable[[torch.Tensor], torch.Tensor], array: np.ndarray) -> np.ndarray:
    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(ray.projector.place.device)
    return transform(tensor[None, None])[0, 0].cpu().numpy()
