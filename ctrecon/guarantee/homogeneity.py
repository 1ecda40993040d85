"""Homogeneity: c times the sinogram gives c times the image, whatever the unit."""

from collections.abc import Iterator

import torch

from ctrecon.guarantee.claim import Claim, Subject

FACTORS = (
    2.0**-20,
    2.0**20,
)  # about a millionth and a million: powers of two, by which nothing is rounded that an iteration would blow up
ROUNDING = 1e-5  # of the largest pixel


@torch.no_grad()
def claims(subject: Subject) -> Iterator[Claim]:
    """The largest |f(c y) / c - f(y)| over the pixels and two factors, over the largest |f(y)|."""
    model, y = subject.model, subject.y
    x = model(y)
    worst = max(((model(c * y) / c - x).abs().max() / x.abs().max()).item() for c in FACTORS)
    theory = "c times the sinogram gives c times the image" if model.homogeneous else ""
    yield Claim("homogeneity", "whole reconstruction", theory, worst, ROUNDING if model.homogeneous else None)
