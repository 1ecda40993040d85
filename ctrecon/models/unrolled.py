"""Learned proximal gradient with memory."""

from collections.abc import Callable

from torch import nn
from torch.utils.checkpoint import checkpoint

from ctrecon.conv.family import ConvFamily
from ctrecon.errors import InputError
from ctrecon.models.cell import Cell
from ctrecon.models.initialisation import Initialisation
from ctrecon.models.learned import Learned, full_precision
from ctrecon.models.model import Iteration, Model
from ctrecon.ode.block import Block
from ctrecon.physics.data_term import DataTerm
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Features, Image, Sinogram


class Unrolled(Learned):
    """x_0 = start(y), s_0 = 0; (x, s) <- cell(x, gradient(x, y), s), each iteration its own cell, or all the same one.

    Args:
        term: Data term, with the ray transform.
        start: Model that gives the first image.
        family: What a feature is.
        cell: Makes a cell of a family, a maker of blocks and a number of memory channels, such as the class `Free`.
        block: Makes a block of a family.
        initialisation: How cells are drawn.
        iterations: Number of iterations.
        memory: Channels of s.
        shared: One cell for all iterations.
        checkpointing: While training, keep only images and memory between iterations and compute the rest again: memory for one
            iteration instead of all, for a third more time.

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
        block: Callable[[ConvFamily], Block],
        initialisation: Initialisation,
        iterations: int = 8,
        memory: int = 5,
        shared: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__(term.ray.geometry, family)
        if iterations < 1 or memory < 0:
            raise InputError(f"model.iterations={iterations}, model.memory={memory}: expected at least 1 and 0")
        self.term, self.start, self.memory, self.iterations = term, start, memory, iterations
        self.cells = nn.ModuleList(cell(family, block, memory) for _ in range(1 if shared else iterations))
        self.draw(initialisation)
        self.checkpointing = checkpointing
        if checkpointing and not all(one.repeatable for one in self.cells):
            raise InputError(
                "model.checkpointing=true: block=nonexpansive follows its norms while it runs, which must not run twice"
            )

    @property
    def ray(self) -> RayTransform:
        """The ray transform of the data term."""
        return self.term.ray

    def forward(self, y: Sinogram) -> Image:
        x = self.first(y)
        s = x.new_zeros(len(x), self.memory, *x.shape[2:])
        for k in range(self.iterations):
            cell = self.cells[k % len(self.cells)]
            if self.checkpointing and self.training:
                x, s = checkpoint(self._iterate, cell, x, y, s, use_reentrant=False)
            else:
                x, s = self._iterate(cell, x, y, s)
        return x

    def parts(self) -> dict[str, nn.ModuleList]:
        return {"cell": self.cells}

    def iteration(self, y: Sinogram) -> Iteration | None:
        cell = self.cells[0]
        if len(self.cells) > 1 or cell.lipschitz is None:
            return None
        step = lambda x: cell(x, self.term.gradient(x, y), x[:, :0])[0]  # noqa: E731
        return Iteration(self.start(y), step, cell.lipschitz <= 1 and self.term.nonexpansive)

    def noise_growth(self, growth: Callable[[Model], float]) -> float | None:
        kept = all(cell.lipschitz is not None and cell.lipschitz <= 1 for cell in self.cells)
        # Each iteration keeps what was there, and its gradient step adds A^T dy / ||A||^2.
        return growth(self.start) + self.iterations if kept and self.term.nonexpansive else None

    def _iterate(self, cell: Cell, x: Image, y: Sinogram, s: Features) -> tuple[Image, Features]:
        with full_precision(y):
            gradient = self.term.gradient(x, y)
        return cell(x, gradient, s)
