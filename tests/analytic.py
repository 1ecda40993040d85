"""Objects whose line integrals are known exactly, and the rays of a scan as the documentation of `physics/geometry.py` states them."""

import math

import numpy as np
import torch

from ctrecon.physics.fan import Fan


class Blob:
    """exp(-q^T Q q / 2), q = p - centre: an elliptic Gaussian, smooth enough for sampling to lose nothing.

    Args:
        centre: Row and column from the centre of rotation, in metres.
        widths: Standard deviations along its two axes, in metres.
        angle: Of the first axis from the rows' axis, in radians.
    """

    def __init__(self, centre, widths, angle):
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        self.centre, self.Q = np.array(centre), turn @ np.diag(1 / np.array(widths) ** 2) @ turn.T

    def values(self, points):
        """Values at points (..., 2)."""
        q = points - self.centre
        return np.exp(-np.einsum("...i,ij,...j", q, self.Q, q) / 2)

    def integrals(self, points, directions):
        """Integrals over the whole lines through points along unit vectors, (..., 2) each."""
        q = points - self.centre
        along, mixed, square = (
            np.einsum("...i,ij,...j", a, self.Q, b) for a, b in ((directions, directions), (directions, q), (q, q))
        )
        return np.sqrt(2 * np.pi / along) * np.exp(-(square - mixed**2 / along) / 2)


class Ellipse(Blob):
    """One inside q^T Q q <= 1, zero outside."""

    def values(self, points):
        q = points - self.centre
        return (np.einsum("...i,ij,...j", q, self.Q, q) <= 1).astype(np.float64)

    def integrals(self, points, directions):
        q = points - self.centre
        along, mixed, square = (
            np.einsum("...i,ij,...j", a, self.Q, b) for a, b in ((directions, directions), (directions, q), (q, q))
        )
        return 2 * np.sqrt(np.maximum(mixed**2 - along * (square - 1), 0)) / along


def pair(side, centre=(0.0, 0.0)):
    """Two blobs off the centre of a square of that side, without any symmetry."""
    centre = np.array(centre)
    return [
        Blob(centre + side * np.array([0.14, -0.22]), (0.06 * side, 0.1 * side), 0.5),
        Blob(centre + side * np.array([-0.19, 0.11]), (0.08 * side, 0.05 * side), -0.4),
    ]


def image(objects, geometry, oversampling=1):
    """The objects' image (1, 1, H, W), means over so many points along each side of a pixel."""
    n = geometry.pixels * oversampling
    axis = geometry.fov_m * ((np.arange(n) + 0.5) / n - 0.5)
    points = np.stack(np.meshgrid(axis + geometry.centre_m[0], axis + geometry.centre_m[1], indexing="ij"), axis=-1)
    x = sum(one.values(points) for one in objects)
    x = x.reshape(geometry.pixels, oversampling, geometry.pixels, oversampling).mean((1, 3))
    return torch.tensor(x, dtype=torch.float32)[None, None]


def rays(geometry, degrees):
    """A point of each ray and its direction, (A, D, 2) each, of views at these angles."""
    angle = np.deg2rad(np.array(degrees))[:, None, None]
    e = np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)
    d = np.concatenate([-np.sin(angle), np.cos(angle)], axis=-1)
    u = ((np.arange(geometry.bins) - (geometry.bins - 1) / 2) * geometry.bin_m + geometry.offset_m)[None, :, None]
    if not isinstance(geometry, Fan):
        return u * e, np.broadcast_to(d, (len(degrees), geometry.bins, 2))
    source = -geometry.source_m * d
    towards = geometry.detector_m * d + u * e
    return source + 0 * towards, towards / np.linalg.norm(towards, axis=-1, keepdims=True)


def sinogram(objects, geometry, degrees):
    """The objects' exact sinogram (1, 1, A, D)."""
    points, directions = rays(geometry, degrees)
    return torch.tensor(sum(one.integrals(points, directions) for one in objects), dtype=torch.float32)[None, None]
