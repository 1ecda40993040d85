"""Sensitivity: how much noise in the sinogram grows in the image, at worst."""

from collections.abc import Iterator

from ctrecon.guarantee.claim import Claim, Subject
from ctrecon.guarantee.search import local_growth
from ctrecon.models.averaged import Averaged
from ctrecon.models.unrolled import Unrolled
from ctrecon.physics.data_term import LeastSquares

ROUNDING = 1e-2  # of the growth, found to a tenth of that


def claims(subject: Subject) -> Iterator[Claim]:
    """|dx| ||A|| / |dy| for the worst small noise dy at this sinogram. FBP and least squares have numbers far above 1."""
    model, norm = subject.model, subject.ray.norm
    measured = norm * local_growth(model, subject.y)[1]
    averaged = isinstance(model, Unrolled) and all(isinstance(cell, Averaged) for cell in model.cells)
    if averaged and isinstance(model.term, LeastSquares) and model.term.normalised:
        # Each iteration keeps what was there, and its gradient step adds A^T dy / ||A||^2.
        bound = norm * local_growth(model.start, subject.y)[1] + model.iterations
        yield Claim("sensitivity", "whole reconstruction", f"at most {bound:.4g}", measured, bound * (1 + ROUNDING))
    else:
        yield Claim("sensitivity", "whole reconstruction", "", measured)
