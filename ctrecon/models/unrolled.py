"""Learned proximal gradient with memory."""

from collections.abc import Callable
from functools import partial

from torch import nn

from ctrecon.conv.family import ConvFamily
from ctrecon.errors import InputError
from ctrecon.models.cell import Cell
from ctrecon.models.initialisation import Initialisation
from ctrecon.models.model import Model
from ctrecon.ode.block import Block
from ctrecon.ode.field import VectorField
from ctrecon.physics.data_term import DataTerm
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Image, Sinogram


class Unrolled(Model):
    """x_0 = start(y), s_0 = 0; (x, s) <- cell(x, gradient(x, y), s), each iteration its own cell, or all the same one.

    Args:
        term: Data term, with the ray transform.
        start: Model that gives the first image.
        family: What a feature is.
        cell: Makes a cell of a family, a maker of blocks and a number of memory channels, such as the class `Free`.
        block: Makes a block of a maker of fields, such as a partial `Block`.
        field: Makes a field of a family, such as the class `Residual`.
        initialisation: How cells are drawn.
        iterations: Number of iterations.
        memory: Channels of s.
        shared: One cell for all iterations.

    Raises:
        InputError: A count is out of range, or parts do not fit each other.

    Source: Celledoni et al., Inverse Problems 37 (2021) 085006, section 4; Adler and Oektem, Inverse Problems 33 (2017) 124007.
    """

    def __init__(
        self,
        term: DataTerm,
        start: Model,
        family: ConvFamily,
        cell: Callable[..., Cell],
        block: Callable[..., Block],
        field: Callable[[ConvFamily], VectorField],
        initialisation: Initialisation,
        iterations: int = 8,
        memory: int = 5,
        shared: bool = False,
    ) -> None:
        super().__init__(term.ray.geometry)
        if iterations < 1 or memory < 0:
            raise InputError(f"model.iterations={iterations}, model.memory={memory}: expected at least 1 and 0")
        self.term, self.start, self.family, self.memory, self.iterations = term, start, family, memory, iterations
        make_block = partial(block, partial(field, family))
        self.cells = nn.ModuleList(cell(family, make_block, memory) for _ in range(1 if shared else iterations))
        for one in self.cells:
            initialisation(one)

    @property
    def ray(self) -> RayTransform:
        """The ray transform of the data term."""
        return self.term.ray

    def forward(self, y: Sinogram) -> Image:
        self.geometry.check(y)
        x = self.start(y)
        s = x.new_zeros(len(x), self.memory, *x.shape[2:])
        for k in range(self.iterations):
            x, s = self.cells[k % len(self.cells)](x, self.term.gradient(x, y), s)
        return x
