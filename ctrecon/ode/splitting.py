"""Symplectic splittings for fields of two parts: kicks p += h force(q) and drifts q += h velocity(p).

Each half of a step leaves one part alone, so that it can be undone exactly, up to rounding; and each preserves the symplectic form, so
that the energy neither grows nor decays over long times where h times the field's frequency is below 2.

Source: Hairer, Lubich and Wanner, Geometric Numerical Integration (2006), sections I.1 and VI.3.
"""

import abc
from collections.abc import Sequence

import torch
from torch import Tensor

from ctrecon.errors import InputError
from ctrecon.ode.field import VectorField
from ctrecon.ode.integrator import Integrator, Step, word
from ctrecon.ode.separable import Separable
from ctrecon.shapes import Features


class Splitting(Integrator):
    """An invertible, symplectic method for separable fields."""

    reversible = True

    def check(self, field: VectorField, steps: int) -> None:
        if not isinstance(field, Separable):
            raise InputError(
                f"integrator={word(self)} does not fit field={word(field)}: expected a field of two parts, hamiltonian or second_order; "
                "euler, heun, rk4 and adaptive fit every field"
            )

    @abc.abstractmethod
    def undo(self, field: VectorField, state: Features, h: int | float | Tensor) -> Features:
        """The state from which `step` makes this one."""

    @abc.abstractmethod
    def swing(self, x: float) -> float: ...


class SymplecticEuler(Splitting):
    """A kick, then a drift. Order 1."""

    order = 1

    def step(self, field: Separable, state: Features, h: int | float | Tensor) -> Features:
        q, p = state.chunk(2, dim=1)
        p = p + h * field.force(q)
        return torch.cat([q + h * field.velocity(p), p], dim=1)

    def undo(self, field: Separable, state: Features, h: int | float | Tensor) -> Features:
        q, p = state.chunk(2, dim=1)
        q = q - h * field.velocity(p)
        return torch.cat([q, p - h * field.force(q)], dim=1)

    def swing(self, x: float) -> float:
        return (1 + x / 2) / (1 - x / 2)  # it conserves (p^2 + w^2 q^2 - h w^2 p q) / 2


class Leapfrog(Splitting):
    """Half a kick, a drift, half a kick (Stormer-Verlet). Order 2, and its own inverse backwards."""

    order = 2

    def step(self, field: Separable, state: Features, h: int | float | Tensor) -> Features:
        q, p = state.chunk(2, dim=1)
        p = p + h / 2 * field.force(q)
        q = q + h * field.velocity(p)
        return torch.cat([q, p + h / 2 * field.force(q)], dim=1)

    def undo(self, field: Separable, state: Features, h: int | float | Tensor) -> Features:
        return self.step(field, state, -h)

    def flow(self, steps: Sequence[Step], state: Features) -> Features:
        """The same, the last half of a kick and the first half of the next one in one where the field is the same."""
        q, p = state.chunk(2, dim=1)
        kick = (steps[0][0], steps[0][1] / 2)
        for (field, h), following in zip(steps, [*steps[1:], None], strict=True):
            p = p + kick[1] * kick[0].force(q)
            q = q + h * field.velocity(p)
            kick = (field, h / 2)
            if following and following[0] is field:
                kick = (field, (h + following[1]) / 2)
            elif following:
                p = p + h / 2 * field.force(q)
                kick = (following[0], following[1] / 2)
        return torch.cat([q, p + kick[1] * kick[0].force(q)], dim=1)

    def swing(self, x: float) -> float:
        return 1 / (1 - x**2 / 4)  # it conserves p^2 + w^2 q^2 (1 - x^2 / 4), over two
