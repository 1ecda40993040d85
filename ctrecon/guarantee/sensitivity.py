"""Sensitivity: how much noise in the sinogram grows in the image, at worst."""

import math
from collections.abc import Iterator

from ctrecon.guarantee.claim import Claim, Subject
from ctrecon.guarantee.search import local_growth
from ctrecon.models.averaged import Averaged
from ctrecon.models.model import Model
from ctrecon.models.unrolled import Unrolled
from ctrecon.ode.block import Block
from ctrecon.physics.auto import memory

ROUNDING = 1e-2  # of the growth, found to a tenth of that
KEPT = 40  # feature maps a cell that the derivatives of derivatives keep


def claims(subject: Subject) -> Iterator[Claim]:
    """|dx| ||A|| / |dy| for the worst small noise dy at this sinogram, where the model has derivatives.

    FBP and least squares on few views have numbers far above 1.
    """
    model, norm = subject.model, subject.ray.norm
    needed = _bytes(model) / 2**30
    if needed > memory(subject.y.device) / 2**31:
        yield Claim("sensitivity", f"whole reconstruction: not measured, would take {needed:.0f} GiB", "", math.nan)
        return
    try:
        measured = norm * local_growth(model, subject.y)[1]
    except NotImplementedError:
        return
    if _averaged(model):
        # Each iteration keeps what was there, and its gradient step adds A^T dy / ||A||^2.
        bound = norm * local_growth(model.start, subject.y)[1] + model.iterations
        yield Claim("sensitivity", "whole reconstruction", f"at most {bound:.4g}", measured, bound * (1 + ROUNDING))
    else:
        yield Claim("sensitivity", "whole reconstruction", "", measured)


def _averaged(model: Model) -> bool:
    """Whether every iteration is an averaged cell after a gradient step that brings no two images apart."""
    if not isinstance(model, Unrolled) or not model.term.nonexpansive:
        return False
    return all(isinstance(cell, Averaged) for cell in model.cells)


def _bytes(model: Model) -> int:
    """What the graph of an unrolled model takes, roughly; classical ones keep little."""
    if not isinstance(model, Unrolled):
        return 0
    steps = sum(block.steps for block in model.cells[0].modules() if isinstance(block, Block))
    return 4 * KEPT * max(1, steps) * model.iterations * model.family.width * model.geometry.pixels**2
