r"""Which part of the integral over all lines each ray stands for.

Every line through the object should count once. Views stand for the angles between their neighbours, and lines that are measured
twice share their weight: a parallel beam's (theta, u) and (theta + pi, -u); a fan's (beta, gamma) and (beta + pi - 2 gamma, -gamma),
gamma the angle of a ray from the central one.

Sources: Parker, Med. Phys. 9 (1982) 254 and, for scans longer than pi + the fan's angle, Silver, Med. Phys. 27 (2000) 773: short scans;
Wang, Med. Phys. 29 (2002) 1634: shifted detector.
"""

import math

import numpy as np
from jaxtyping import Float

from ctrecon.errors import InputError
from ctrecon.physics.geometry import Geometry

GAP = 3.0  # times the typical one: a larger gap between views is missing data, which no view stands for
SAME = 1e-9  # radians: views that are no further apart are one view taken again


def parallel_weights(geometry: Geometry) -> Float[np.ndarray, "A D"]:
    """The angle in radians that each ray of a parallel beam stands for."""
    angles = geometry.angles_rad
    if geometry.offset_m and is_full_turn(geometry):
        return _share_angles(angles, 2 * math.pi)[:, None] * _shifted(geometry)
    # A line beyond the detector's mirror image is never seen from the other side.
    twice = np.abs(geometry.bins_m) <= geometry.bins * geometry.bin_m / 2 - abs(geometry.offset_m)
    return np.where(twice, *(_share_angles(angles, arc)[:, None] for arc in (math.pi, 2 * math.pi)))


def fan_weights(geometry: Geometry, gamma: Float[np.ndarray, " D"]) -> Float[np.ndarray, "A D"]:
    """The angle in radians that each ray of a fan stands for.

    Args:
        geometry: The scan, with a detector that is the same in each view.
        gamma: Angle of each ray from the central one, which grows with the bins.

    Raises:
        InputError: The views lie on several separate arcs.
    """
    return _share_angles(geometry.angles_rad, 2 * math.pi)[:, None] * _fan(geometry, gamma)


def is_full_turn(geometry: Geometry) -> bool:
    """Whether the views go all around the object, so that opposite ones complete what a shifted detector misses."""
    return not _missing(_gaps(geometry.angles_rad, 2 * math.pi)).any()


def _share_angles(angles: np.ndarray, arc: float) -> Float[np.ndarray, " A"]:
    """Half the gaps to the neighbours on the circle of angles, (A,). A repeated view shares its angle."""
    order = np.argsort(angles % arc, kind="stable")
    gaps = _gaps(angles, arc)
    gaps[_missing(gaps)] = _typical(gaps)
    weights = np.empty_like(gaps)
    weights[order] = (gaps + np.roll(gaps, 1)) / 2
    return weights


def _gaps(angles: np.ndarray, arc: float) -> np.ndarray:
    """From each angle to the next one on the circle, in ascending order of angles."""
    ascending = np.sort(angles % arc)
    return np.diff(ascending, append=ascending[0] + arc)


def _missing(gaps: np.ndarray) -> np.ndarray:
    return gaps > GAP * _typical(gaps)


def _typical(gaps: np.ndarray) -> float:
    """The median between different views: a closed scan takes some of them twice."""
    return float(np.median(gaps[gaps > SAME]))


def _fan(geometry: Geometry, gamma: np.ndarray) -> Float[np.ndarray, "#A D"]:
    """The share of a line that each ray of a fan takes."""
    if is_full_turn(geometry):
        return _shifted(geometry)[None]
    angles = geometry.angles_rad
    gaps = _gaps(angles, 2 * math.pi)
    missing = np.flatnonzero(_missing(gaps))
    if len(missing) > 1:
        raise InputError(
            f"the views of this fan beam lie on {len(missing)} separate arcs: filtered back-projection expects one, or a full turn"
        )
    ascending = np.sort(angles % (2 * math.pi))
    step = _typical(gaps)
    first = ascending[(missing[0] + 1) % len(ascending)] - step / 2
    return _short((angles - first) % (2 * math.pi), 2 * math.pi - gaps[missing[0]] + step, gamma)


def _short(angles: np.ndarray, arc: float, gamma: np.ndarray) -> Float[np.ndarray, "A D"]:
    """Parker's weights for an arc of pi + 2 G: rays without a partner count fully, pairs add up to one, all smoothly."""
    surplus, beta = (arc - math.pi) / 2, angles[:, None]
    weights = np.ones((len(angles), len(gamma)))
    for distance, room in ((beta, surplus + gamma), (arc - beta, surplus - gamma)):
        shared = distance < 2 * room
        weights = np.where(shared, np.sin(math.pi / 4 * distance / np.where(room > 0, room, 1)) ** 2, weights)
    return weights


def _shifted(geometry: Geometry) -> Float[np.ndarray, " D"]:
    """A full turn: half for each of a pair; rays without a partner, on a shifted detector, count fully, with a smooth passage."""
    if geometry.offset_m == 0:
        return np.full(geometry.bins, 0.5)
    overlap = max(geometry.bins * geometry.bin_m / 2 - abs(geometry.offset_m), 1e-9 * geometry.bin_m)
    along = np.clip(math.copysign(1, geometry.offset_m) * geometry.bins_m / overlap, -1, 1)
    return np.sin(math.pi / 4 * (1 + along)) ** 2
