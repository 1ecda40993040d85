"""Antisymmetry: the linear part of an antisymmetric field only rotates and damps."""

from collections.abc import Iterator

import torch

from ctrecon.guarantee.claim import Claim, Subject, worst
from ctrecon.guarantee.stop import blocks
from ctrecon.ode.antisymmetric import Antisymmetric
from ctrecon.shapes import Features

EXACT = 1e-5  # of |z| |L z|


@torch.no_grad()
def claims(subject: Subject) -> Iterator[Claim]:
    """Every antisymmetric field: <z, L z> + damping |z|^2, for the features that the image has there."""
    found = [
        Claim("antisymmetry", name, "the linear part only rotates and damps", _defect(field, z), EXACT)
        for name, block, z in blocks(subject)
        for field in block.fields
        if isinstance(field, Antisymmetric)
    ]
    if found:
        yield worst(found)


def _defect(field: Antisymmetric, z: Features) -> float:
    z, Lz = z.double(), field.linear(z).double()
    defect = (z * Lz).sum() + field.damping * z.square().sum()
    return (defect.abs() / (z.norm() * Lz.norm()).clamp(min=1e-30)).item()
