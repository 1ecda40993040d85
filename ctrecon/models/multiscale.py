"""Learned iterations on coarser grids first."""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from ctrecon.conv.family import ConvFamily
from ctrecon.errors import InputError
from ctrecon.models.cell import Cell
from ctrecon.models.initialisation import Initialisation
from ctrecon.models.learned import Learned, full_precision
from ctrecon.models.model import Model
from ctrecon.models.pooling import enlarged, pooled
from ctrecon.ode.block import Block
from ctrecon.physics.data_term import DataTerm
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Image, Sinogram

LEAST = 4  # pixels along a side


class Multiscale(Learned):
    """(x, s) <- cell(x, gradient(x, y), s) on the coarsest grid, then on finer ones, up to that of the image.

    The first image is pooled down to every grid. What the iterations on a grid change of it is enlarged and added on the next finer one,
    x = start + enlarged(x - pooled(start)), and so is the memory. A cell sees as many pixels on every grid, hence twice as far on a grid of pixels twice
    as wide: what is smooth, such as the streaks of views that are missing, is mended there, where it costs a quarter.

    Args:
        terms: Makes the data term, with the ray transform, of a geometry.
        geometry: The scan, with the grid of the image.
        start: Model that gives the first image.
        family: What a feature is.
        cell: Makes a cell of a family, a maker of blocks and a number of memory channels, such as the class `Free`.
        block: Makes a block of a family.
        initialisation: How cells are drawn.
        levels: Number of grids, each of half as many pixels a side as the next.
        iterations: Number of iterations on each grid.
        memory: Channels of s.

    Raises:
        InputError: A count is out of range, or the image too small for so many grids.

    Source: Hauptmann, Adler, Arridge and Oektem, IEEE Trans. Comput. Imaging 6 (2020) 843.
    """

    def __init__(
        self,
        terms: Callable[[Geometry], DataTerm],
        geometry: Geometry,
        start: Model,
        family: ConvFamily,
        cell: Callable[..., Cell],
        block: Callable[[ConvFamily], Block],
        initialisation: Initialisation,
        levels: int = 3,
        iterations: int = 4,
        memory: int = 5,
    ) -> None:
        super().__init__(geometry, family)
        if levels < 1 or iterations < 1 or memory < 0:
            raise InputError(
                f"model.levels={levels}, model.iterations={iterations}, model.memory={memory}: expected at least 1, 1 and 0"
            )
        if -(-geometry.pixels // 2 ** (levels - 1)) < LEAST:
            raise InputError(
                f"model.levels={levels}: the coarsest grid of an image of {geometry.pixels} pixels a side would have less than {LEAST}; expected "
                "fewer levels, or a larger geometry.pixels"
            )
        grids = [geometry]
        while len(grids) < levels:
            grids.append(coarser(grids[-1]))
        self.terms = nn.ModuleList(terms(grid) for grid in reversed(grids))
        self.start, self.memory, self.iterations = start, memory, levels * iterations
        self.cells = nn.ModuleList(cell(family, block, memory) for _ in range(self.iterations))
        self.draw(initialisation)

    @property
    def ray(self) -> RayTransform:
        """The ray transform on the grid of the image."""
        return self.terms[-1].ray

    def parts(self) -> dict[str, nn.ModuleList]:
        return {"cell": self.cells}

    def forward(self, y: Sinogram) -> Image:
        starts, each = [self.first(y)], len(self.cells) // len(self.terms)
        for _ in self.terms[1:]:
            starts.append(pooled(starts[-1]))
        x = below = starts[-1]
        s = x.new_zeros(len(x), self.memory, *x.shape[2:])
        for level, term in enumerate(self.terms):
            first = starts.pop()
            if level:
                x, s = first + enlarged(x - below, first.shape[2:]), enlarged(s, first.shape[2:])
            for cell in self.cells[level * each : (level + 1) * each]:
                with full_precision(y):
                    gradient = term.gradient(x, y)
                x, s = cell(x, gradient, s)
            below = first
        return x


def coarser(geometry: Geometry) -> Geometry:
    """The same scan on the grid of `pooled` images."""
    pixels = (geometry.pixels + 1) // 2
    return replace(
        geometry, pixels=pixels, fov_m=2 * pixels * geometry.pixel_m
    )  # an odd side grows: its outer pixels stay in their places
