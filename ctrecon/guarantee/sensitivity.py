"""Sensitivity: how much noise in the sinogram grows in the image, at worst."""

import math
from collections.abc import Iterator

from ctrecon.guarantee.claim import Claim, Subject
from ctrecon.guarantee.search import local_growth
from ctrecon.physics.auto import memory

ROUNDING = 1e-2  # of the growth, found to a tenth of that


def claims(subject: Subject) -> Iterator[Claim]:
    """|dx| ||A|| / |dy| for the worst small noise dy at this sinogram, where the model has derivatives.

    FBP and least squares on few views have numbers far above 1.
    """
    model, norm = subject.model, subject.ray.norm
    needed = model.graph_bytes() / 2**30
    if needed > memory(subject.y.device) / 2**31:
        yield Claim("sensitivity", f"whole reconstruction: not measured, would take {needed:.0f} GiB", "", math.nan)
        return
    growth = lambda one: norm * local_growth(one, subject.y)[1]  # noqa: E731
    try:
        measured, bound = growth(model), model.noise_growth(growth)
    except NotImplementedError:
        return
    theory = "" if bound is None else f"at most {bound:.4g}"
    yield Claim("sensitivity", "whole reconstruction", theory, measured, None if bound is None else bound * (1 + ROUNDING))
