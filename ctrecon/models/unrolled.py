"""Learned proximal gradient with memory."""

from collections.abc import Callable

import torch
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
    """x_0 = start(y), s_0 = 0; (x, s) <- skip (x - gradient(x, y), s) + cell([x, gradient(x, y), s]), each iteration its own cell.

    Args:
        term: Data term, with the ray transform.
        start: Model that gives the first image.
        family: What a feature is.
        block: Makes a block of a field, such as a partial `Block`.
        field: Makes a field of a family, such as the class `Residual`.
        initialisation: How cells are drawn.
        iterations: Number of cells.
        memory: Channels of s.
        blocks: Blocks in a cell.
        skip: 1: cells correct a plain gradient step. 0: cells are the whole step, as in the paper.

    Raises:
        InputError: A count is out of range.

    Source: Celledoni et al., Inverse Problems 37 (2021) 085006, section 4; Adler and Oektem, Inverse Problems 33 (2017) 124007.
    """

    def __init__(
        self,
        term: DataTerm,
        start: Model,
        family: ConvFamily,
        block: Callable[[VectorField], Block],
        field: Callable[[ConvFamily], VectorField],
        initialisation: Initialisation,
        iterations: int = 8,
        memory: int = 5,
        blocks: int = 1,
        skip: float = 1.0,
    ) -> None:
        super().__init__(term.ray.geometry)
        if iterations < 1 or memory < 0 or blocks < 0:
            raise InputError(f"model.iterations={iterations}, memory={memory}, blocks={blocks}: expected at least 1, 0 and 0")
        self.term, self.start, self.memory, self.skip = term, start, memory, skip
        self.family = family
        self.cells = nn.ModuleList(
            Cell(family, 2 + memory, 1 + memory, [block(field(family)) for _ in range(blocks)]) for _ in range(iterations)
        )
        for cell in self.cells:
            initialisation(cell)

    @property
    def ray(self) -> RayTransform:
        """The ray transform of the data term."""
        return self.term.ray

    def forward(self, y: Sinogram) -> Image:
        self.geometry.check(y)
        x = self.start(y)
        s = x.new_zeros(len(x), self.memory, *x.shape[2:])
        for cell in self.cells:
            gradient = self.term.gradient(x, y)
            step = self.skip * torch.cat([x - gradient, s], dim=1)
            x, s = (step + cell(torch.cat([x, gradient, s], dim=1))).split([1, self.memory], dim=1)
        return x
