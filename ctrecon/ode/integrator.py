"""Integrators: how a step along a field is made. Explicit Runge-Kutta methods are data (Butcher tableaux)."""

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ctrecon.errors import InputError
from ctrecon.ode.field import VectorField
from ctrecon.ode.promise import Promise
from ctrecon.shapes import Features

UNDONE = 1e-5  # of the largest state on the way: rounding in float32

Step = tuple[VectorField, int | float | Tensor]  # the field, and for how long


class Integrator(abc.ABC):
    """A one-step method for z' = f(z).

    Attributes:
        order: Order of convergence for smooth fields.
        reversible: Whether `undo` undoes a step.
        contractivity: r such that steps of h <= 2 r / L never expand, where f is minus the gradient of a convex function with
            L-Lipschitz gradient; 0: no step is known not to.
        homogeneous: Whether a step of c times the state is c times the step, c > 0, where the field is so.
    """

    order: int
    reversible: ClassVar[bool] = False
    contractivity: float = 0.0
    homogeneous: ClassVar[bool] = True

    @abc.abstractmethod
    def step(self, field: VectorField, state: Features, h: int | float | Tensor) -> Features:
        """One step of length h."""

    def check(self, field: VectorField, steps: int) -> None:  # noqa: B027
        """Raises InputError where that many steps of the method do not fit the field."""

    def undo(self, field: VectorField, state: Features, h: int | float | Tensor) -> Features:
        """The state from which `step` makes this one, for reversible methods."""
        raise NotImplementedError(f"{type(self).__name__} does not undo its steps")

    def growth(self, x: float) -> float | None:
        """A Lipschitz constant of a step of h = x / L along a field as for `contractivity`; None: none is known."""
        return 1.0 if x <= 2 * self.contractivity else None

    def swing(self, x: float) -> float | None:
        """Largest energy over the first one, for a linear oscillator and h times its frequency x < 2, over all times; None: unbounded."""
        return None

    def promises(self, block: nn.Module) -> Iterator[Promise]:
        """What it promises as the method of a `Block`: of a reversible one, that steps undone give back what they started from."""
        if self.reversible:
            yield Promise("reversibility", "exact", lambda z: _defect_of_undoing(block, z), UNDONE)

    def flow(self, steps: Sequence[Step], state: Features) -> Features:
        """One step after another."""
        for field, h in steps:
            state = self.step(field, state, h)
        return state


@dataclass(frozen=True)
class Tableau(Integrator):
    """An explicit Runge-Kutta method: stage i sees z + h sum_j a_ij k_j, the step is h sum_i b_i k_i.

    Attributes:
        order: Order of convergence for smooth fields.
        a: Strictly lower triangle, a row a stage.
        b: Weights of the stages.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), section II.1.
    """

    order: int
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]

    def step(self, field: VectorField, state: Features, h: int | float | Tensor) -> Features:
        slopes = []
        for row in self.a:
            slopes.append(field(state + h * sum(w * k for w, k in zip(row, slopes, strict=True) if w)))
        return state + h * sum(w * k for w, k in zip(self.b, slopes, strict=True) if w)

    def check(self, field: VectorField, steps: int) -> None:
        if field.at_rest and len(self.b) == steps == 1:
            raise InputError(
                f"one explicit Euler step does not fit field={word(field)}, which starts at rest: features would stay where they are; "
                "say block.steps=2, or integrator=leapfrog"
            )

    def growth(self, x: float) -> float | None:
        # Of Euler z - h V'(z), whose Jacobian has eigenvalues between 1 - x and 1.
        return max(1.0, x - 1) if len(self.b) == 1 else super().growth(x)

    @cached_property
    def contractivity(self) -> float:
        """As for every integrator.

        The largest r for which B A + A^T B - b b^T + B / r is positive semidefinite, B = diag(b); it needs positive weights.

        Source: Dahlquist and Jeltsch, BIT 46 (2006) 51, generalized disks of contractivity.
        """
        b = np.array(self.b)
        a = np.array([[*row, *[0.0] * (len(b) - len(row))] for row in self.a])
        if (b <= 0).any():
            return 0.0
        scaled = (b[:, None] * a + (b[:, None] * a).T - np.outer(b, b)) / np.sqrt(np.outer(b, b))
        return float(-1 / np.linalg.eigvalsh(scaled)[0])


def euler() -> Tableau:
    """Explicit Euler."""
    return Tableau(order=1, a=((),), b=(1.0,))


def heun() -> Tableau:
    """Heun's method: the explicit trapezoidal rule."""
    return Tableau(order=2, a=((), (1.0,)), b=(0.5, 0.5))


def rk4() -> Tableau:
    """The classical method of Runge and Kutta."""
    return Tableau(order=4, a=((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), b=(1 / 6, 1 / 3, 1 / 3, 1 / 6))


def _defect_of_undoing(block: nn.Module, z: Features) -> float:
    """|undone - begun| over the largest |state| on the way."""
    begun = state = block.field.begin(z)
    largest = begun.norm()
    for field, h in block.plan():
        state = block.integrator.step(field, state, h)
        largest = torch.maximum(largest, state.norm())
    for field, h in reversed(block.plan()):
        state = block.integrator.undo(field, state, h)
    return ((state - begun).norm() / largest.clamp(min=1e-30)).item()


def word(thing: object) -> str:
    """The word by which the configuration calls a class."""
    return "".join("_" * (k > 0 and letter.isupper()) + letter.lower() for k, letter in enumerate(type(thing).__name__))
