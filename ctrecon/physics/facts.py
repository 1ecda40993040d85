"""What can be said of a scan and a sinogram in a few numbers, for telling whether a model is for them."""

import numpy as np
import torch

from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram


def facts(geometry: Geometry) -> dict[str, float]:
    """Views, degrees over which they lie, pixels, and the detector's shift over half its width."""
    return {
        "views": float(geometry.shape[0]),
        "degrees": covered(geometry),
        "pixels": float(geometry.pixels),
        "shift": abs(geometry.offset_m) / (geometry.bins * geometry.bin_m / 2),
    }


def covered(geometry: Geometry) -> float:
    """The degrees over which the views lie: the arc after which rays repeat, less the gap without views."""
    arc = geometry.arc_deg
    angles = np.sort(np.rad2deg(geometry.angles_rad) % arc)
    gaps = np.sort(np.diff(angles, append=angles[0] + arc))
    return float(arc - gaps[-1] + (np.median(gaps[:-1]) if len(gaps) > 1 else 0.0))


def photons(y: Sinogram) -> float:
    """The counts of an unattenuated ray, from the noise of sinograms in metres along the detector; fewer where an object is not smooth there.

    Of counts the logarithm has the standard deviation 1 / sqrt(photons exp(-mu_max y)). From 10 to ten million.
    """
    line = MU_MAX * y
    second = line[..., 2:] - 2 * line[..., 1:-1] + line[..., :-2]
    inside = line[..., 1:-1]
    seen = inside > 0.05 * line.max()
    scaled = (second.abs() * torch.exp(-inside / 2))[seen if seen.any() else ...]
    return min(max((1.4826 * scaled.median().item() / 6**0.5) ** -2, 10.0), 1e7)


def noise_level(y: Sinogram) -> float:
    """The standard deviation of the noise over the mean of a sinogram, from second differences along the detector: an object is smooth there.

    Source: Donoho and Johnstone, Biometrika 81 (1994) 425, for the median.
    """
    second = y[..., 2:] - 2 * y[..., 1:-1] + y[..., :-2]
    seen = y[..., 1:-1] > 0.05 * y.max()  # rays through the object: beside it there is less noise
    spread = second[seen].abs().median() if seen.any() else second.abs().median()
    return float(1.4826 * spread / 6**0.5 / y.abs().mean())
