"""Equilibrium models: the image is the fixed point of one learned iteration."""

from collections.abc import Callable

from torch import nn

from ctrecon.conv.family import ConvFamily
from ctrecon.errors import InputError
from ctrecon.models.cell import Cell
from ctrecon.models.fixed_point import fixed_point, implicit
from ctrecon.models.initialisation import Initialisation
from ctrecon.models.learned import Learned, full_precision
from ctrecon.models.model import Iteration, Model
from ctrecon.ode.block import Block
from ctrecon.physics.data_term import DataTerm
from ctrecon.shapes import Image, Sinogram


class Equilibrium(Learned):
    """x = T(x - gradient(x, y)), T an averaged cell: iterated from start(y) until the image stands still, differentiated implicitly.

    How many iterations are made is free, also after training: the image is the fixed point to a tolerance. Training keeps one iteration in
    memory, whatever their number.

    Args:
        term: Data term, with the ray transform; its gradient step has to be non-expansive.
        start: Model that gives the first image.
        family: What a feature is.
        cell: Makes a cell of a family, a maker of blocks and a number of memory channels, which is 0: `Averaged`.
        block: Makes a block of a family.
        initialisation: How the cell is drawn.
        tolerance: Of the last change, relative to the image.
        iterations: Their largest number.

    Raises:
        InputError: The cell or the data term may expand, or a number is out of range.

    Source: Gilton, Ongie and Willett, IEEE Trans. Comput. Imaging 7 (2021) 1123.
    """

    def __init__(
        self,
        term: DataTerm,
        start: Model,
        family: ConvFamily,
        cell: Callable[..., Cell],
        block: Callable[[ConvFamily], Block],
        initialisation: Initialisation,
        tolerance: float = 1e-3,
        iterations: int = 100,
    ) -> None:
        super().__init__(term.ray.geometry, family)
        if iterations < 1 or not 0 < tolerance < 1:
            raise InputError(
                f"model.iterations={iterations}, model.tolerance={tolerance}: expected at least 1, and between 0 and 1"
            )
        self.term, self.start, self.tolerance, self.iterations = term, start, tolerance, iterations
        self.cells = nn.ModuleList([cell(family, block, 0)])
        if self.cells[0].lipschitz is None or self.cells[0].lipschitz > 1 or not term.nonexpansive:
            raise InputError(
                "model=equilibrium needs an iteration that converges: say cell=averaged block=nonexpansive field=gradient_flow "
                "data_term=least_squares"
            )
        self.draw(initialisation)

    @property
    def ray(self) -> nn.Module:
        """The ray transform of the data term."""
        return self.term.ray

    def parts(self) -> dict[str, nn.ModuleList]:
        return {"cell": self.cells}

    def forward(self, y: Sinogram) -> Image:
        x = self.first(y)
        step = self._step(y)
        x = fixed_point(step, x.detach(), self.tolerance, self.iterations)
        return implicit(step, x, self.tolerance, self.iterations)

    def iteration(self, y: Sinogram) -> Iteration:
        return Iteration(self.start(y), self._step(y), True)

    def _step(self, y: Sinogram) -> Callable[[Image], Image]:
        def step(x: Image) -> Image:
            with full_precision(y):
                gradient = self.term.gradient(x, y)
            return self.cells[0](x, gradient, x[:, :0])[0]

        return step
