"""Explicit Runge-Kutta methods as data (Butcher tableaux)."""

from collections.abc import Callable
from dataclasses import dataclass

from ctrecon.shapes import Features


@dataclass(frozen=True)
class Tableau:
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

    def step(self, field: Callable[[Features], Features], z: Features, h: float) -> Features:
        """One step of length h from z."""
        slopes = []
        for row in self.a:
            slopes.append(field(z + h * sum(w * k for w, k in zip(row, slopes, strict=True) if w)))
        return z + h * sum(w * k for w, k in zip(self.b, slopes, strict=True) if w)


def euler() -> Tableau:
    """Explicit Euler."""
    return Tableau(order=1, a=((),), b=(1.0,))


def heun() -> Tableau:
    """Heun's method: the explicit trapezoidal rule."""
    return Tableau(order=2, a=((), (1.0,)), b=(0.5, 0.5))


def rk4() -> Tableau:
    """The classical method of Runge and Kutta."""
    return Tableau(order=4, a=((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), b=(1 / 6, 1 / 3, 1 / 3, 1 / 6))
