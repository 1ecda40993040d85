r"""Total variation: min over x >= 0 of ||A x - y||^2 / (2 ||A||^2) + weight * sum |grad x|_2.

Isotropic, forward differences between pixels, sums over rays and pixels. Solved by ODL's primal-dual hybrid gradient method on our
ray transform, with both operators scaled to norm 1.

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


def solve_batch(A: RayTransform, y: torch.Tensor, start: torch.Tensor, weight: int | float, iterations: int) -> torch.Tensor:
    """The images (B, 1, H, W) of sinograms (B, 1, A, D); ODL takes one after the other."""
    operator, norm = unit_cells(A), A.norm
    pairs = zip(y[:, 0].cpu().float().numpy(), start[:, 0].cpu().float().numpy(), strict=True)
    images = [TotalVariationProblem(operator, norm, one, weight).solve(x, iterations) for one, x in pairs]
    return torch.from_numpy(np.stack(images))[:, None].to(y)
