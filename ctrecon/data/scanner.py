"""A scanner turns an image into a pair (x, y): the truth on the reconstruction's grid and a measured sinogram."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ctrecon.data.augment import Pose
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.noise import Noise
from ctrecon.physics.projector import Projector
from ctrecon.physics.ray import RayTransform
from ctrecon.physics.symmetry import Move
from ctrecon.shapes import Image, Sinogram

FINER = 2  # the simulation's grid over the reconstruction's


class Scanner:
    """Simulates on a grid twice as fine as the reconstruction's (no inverse crime), with noise that depends on (seed, row) alone.

    An image fills the field of view, whatever its own resolution.

    Args:
        geometry: The scan, on the reconstruction's grid.
        noise: The noise.
        seed: Of the noise.
        projector: Makes what computes the ray transform.
    """

    def __init__(
        self, geometry: Geometry, noise: Noise, seed: int = 0, projector: Callable[[Geometry], Projector] | None = None
    ) -> None:
        self.geometry, self.noise, self.seed = geometry, noise, seed
        self.ray = RayTransform(geometry.finer(FINER), projector)

    def scan(self, image: Float[Tensor, "1 1 M M"], row: int) -> tuple[Image, Sinogram]:
        """The pair of an image; `row` names its noise."""
        return self.truth(image), self.measure(self.project(image), row)

    def truth(self, image: Float[Tensor, "1 1 M M"]) -> Image:
        """The image on the reconstruction's grid."""
        return resample(image, self.geometry.pixels)

    @torch.no_grad()
    def project(self, image: Float[Tensor, "1 1 M M"]) -> Sinogram:
        """Its sinogram without noise."""
        return self.ray(resample(image, FINER * self.geometry.pixels))

    def measure(self, y: Sinogram, row: int, draw: int = 0) -> Sinogram:
        """A measurement of a sinogram: draw number `draw` of the noise of that row."""
        state = np.random.SeedSequence([self.seed, row, *[draw] * (draw > 0)]).generate_state(1, dtype=np.uint64)[0]
        return self.noise(y, torch.Generator().manual_seed(int(state >> 1)))

    def move(self, pose: Pose) -> Move | None:
        """The symmetry of the scan that brings an object into that pose; None where it does not have it."""
        quarters, rest = divmod(pose.degrees, 90)
        wanted = (int(quarters) % 4, pose.mirrored)
        return next((m for m in self.geometry.moves() if rest == 0 and (m.quarters, m.mirrored) == wanted), None)


def resample(x: Image, pixels: int) -> Float[Tensor, "B 1 N N"]:
    """The image on another grid over the same square: means over whole pixels where they fit, else linear interpolation, antialiased.

    Both commute with quarter turns.
    """
    if x.shape[-1] % pixels == 0:
        return functional.interpolate(x, size=(pixels, pixels), mode="area")
    return functional.interpolate(x, size=(pixels, pixels), mode="bilinear", align_corners=False, antialias=True)


def posed(x: Image, pose: Pose) -> Image:
    """The image of the object in a pose."""
    return rotate(x.transpose(-2, -1) if pose.mirrored else x, pose.degrees)


def rotate(x: Image, degrees: int | float) -> Image:
    """The image turned counter-clockwise about its centre: exactly by quarter turns, else by linear interpolation, zero outside."""
    quarters, rest = divmod(degrees, 90)
    x = x.rot90(int(quarters) % 4, (-2, -1))
    if rest == 0:
        return x
    angle = torch.tensor(np.deg2rad(rest), dtype=x.dtype, device=x.device)
    # Rows of the inverse map in (column, row) coordinates; rows grow downwards.
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin(), angle * 0]), torch.stack([angle.sin(), angle.cos(), angle * 0])])
    grid = functional.affine_grid(turn[None].expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)
