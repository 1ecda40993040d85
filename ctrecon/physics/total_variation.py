r"""Total variation: min over x >= 0 of ||A x - y||^2 / (2 ||A||^2) + weight * sum |grad x|_2.

Isotropic, forward differences between pixels, sums over rays and pixels. Solved by the primal-dual hybrid gradient method on our ray
transform, with both operators scaled to norm 1: `solve_batch` takes many images at a time, several times faster than ODL's solver,
which `TotalVariationProblem` poses the same problem to; a test compares them.

Sources: Rudin, Osher, Fatemi, Physica D 60 (1992) 259; Chambolle, Pock, JMIV 40 (2011) 120; Sidky, Jorgensen, Pan, PMB 57 (2012) 3065.
"""

import math

import numpy as np
import odl
import torch
from jaxtyping import Float
from odl import functionals
from odl.solvers import pdhg

from ctrecon.physics.odl_form import OdlOperator
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Image, Sinogram

GRADIENT_NORM = math.sqrt(8)  # of forward differences in two dimensions, from above
RATIO = 3.0  # of the primal to the dual step: the fastest of 1, 3, 10 on CT slices at weights around the best one


class TotalVariationProblem:
    """The problem that one sinogram poses.

    Args:
        A: The ray transform, or ODL's operator of one, between spaces of unit cells.
        norm: ||A||.
        y: Sinogram in metres, (A, D).
        weight: Of the total variation.
    """

    def __init__(self, A: RayTransform | odl.Operator, norm: int | float, y: Float[np.ndarray, "A D"], weight: int | float) -> None:
        self.A = unit_cells(A) if isinstance(A, RayTransform) else A
        gradient = odl.Gradient(self.A.domain, pad_mode="symmetric")
        self.operator = odl.BroadcastOperator((1 / norm) * self.A, (1 / GRADIENT_NORM) * gradient)
        misfit = 0.5 * functionals.L2NormSquared(self.A.range).translated(self.A.range.element(y / norm))
        variation = (GRADIENT_NORM * float(weight)) * functionals.GroupL1Norm(gradient.range)
        self.functional = functionals.SeparableSum(misfit, variation)

    def solve(self, start: Float[np.ndarray, "H W"], iterations: int) -> Float[np.ndarray, "H W"]:
        """The image after so many iterations from a start."""
        x = self.A.domain.element(np.maximum(start, 0))
        step = 0.99 / math.sqrt(2)  # the operator's norm is at most sqrt(1 + 1)
        constraint = functionals.IndicatorNonnegativity(self.A.domain)
        pdhg(x, constraint, self.functional, self.operator, niter=iterations, tau=step * RATIO, sigma=step / RATIO)
        # The limit is not negative, iterates are up to rounding.
        return np.maximum(x.asarray(), 0)

    def objective(self, x: Float[np.ndarray, "H W"]) -> float:
        """What is minimised."""
        return float(self.functional(self.operator(self.A.domain.element(x))))


def unit_cells(A: RayTransform) -> OdlOperator:
    """The ray transform between ODL spaces whose inner products are plain sums."""
    spaces = (odl.uniform_discr([0, 0], shape, shape, dtype="float32") for shape in ((A.geometry.pixels,) * 2, A.geometry.shape))
    return OdlOperator(A, *spaces)


@torch.no_grad()
def solve_batch(A: RayTransform, y: Sinogram, start: Image, weight: int | float, iterations: int) -> Image:
    """The images of sinograms in metres after so many iterations from a start: those of `TotalVariationProblem`, up to rounding."""
    step, norm, most = 0.99 / math.sqrt(2), A.norm, GRADIENT_NORM * float(weight)
    tau, sigma = step * RATIO, step / RATIO
    x, data = start.float().clamp(min=0), y.float() / norm
    ahead, q, p = x, torch.zeros_like(data), x.new_zeros(2, *x.shape)
    for _ in range(iterations):
        q = q.add_(A(ahead).div_(norm).sub_(data), alpha=sigma).div_(1 + sigma)
        p = _add_gradient(p, ahead, sigma / GRADIENT_NORM)
        p = p.mul_(most / torch.hypot(*p).clamp_(min=most))
        new = _add_gradient_transposed(A.transpose(q).mul_(-tau / norm).add_(x), p, -tau / GRADIENT_NORM).clamp_(min=0)
        ahead, x = 2 * new - x, new
    return x.to(y)


def _add_gradient(p: torch.Tensor, x: torch.Tensor, factor: float) -> torch.Tensor:
    """p + factor grad x, in place."""
    p[0, ..., :-1, :].add_(x.diff(dim=-2), alpha=factor)
    p[1, ..., :-1].add_(x.diff(dim=-1), alpha=factor)
    return p


def _add_gradient_transposed(x: torch.Tensor, p: torch.Tensor, factor: float) -> torch.Tensor:
    """x + factor grad^T p, in place. The last difference along each axis is no difference."""
    down, along = p[0, ..., :-1, :], p[1, ..., :-1]
    x[..., 1:, :].add_(down, alpha=factor)
    x[..., :-1, :].sub_(down, alpha=factor)
    x[..., 1:].add_(along, alpha=factor)
    x[..., :-1].sub_(along, alpha=factor)
    return x
