"""What comes after the last view of a scan: nothing, the first view, or the first view with its detector read backwards."""

from dataclasses import replace
from enum import Enum

import numpy as np

from ctrecon.physics.geometry import Geometry
from ctrecon.physics.symmetry import TOLERANCE


class Succession(Enum):
    """What follows the last view, one step of angle further."""

    END = "nothing"
    RING = "the first view"
    MOEBIUS = "the first view, its detector read backwards"


def succession(geometry: Geometry) -> Succession:
    """How the views of a scan go round: turning all rays by one step of angle gives the next view, and after the last view what this says.

    Views that are not evenly spaced, or not in the order of their angles, end.
    """
    step = np.diff(geometry.angles_rad)
    if not len(step) or np.ptp(step) > 1e-6:
        return Succession.END
    points = replace(geometry, centre_m=(0.0, 0.0)).frames()  # where the image lies does not matter
    cosine, sine = np.cos(step[0]), np.sin(step[0])
    turned = points @ np.array([[cosine, sine], [-sine, cosine]])  # as the detector's axis (cos a, sin a) turns
    after = np.roll(points, -1, axis=0)
    missed = lambda one, other: np.abs(one - other).max(initial=0.0) > TOLERANCE * geometry.fov_m  # noqa: E731
    if missed(turned[:-1], after[:-1]):
        return Succession.END
    if not missed(turned[-1], after[-1]):
        return Succession.RING
    backwards = after[-1].copy()
    backwards[-1] *= -1
    return Succession.END if missed(turned[-1], backwards) else Succession.MOEBIUS
