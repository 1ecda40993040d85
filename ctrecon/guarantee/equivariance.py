"""Equivariance: turning what goes in turns what comes out."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ctrecon.data.scanner import rotate
from ctrecon.errors import InputError
from ctrecon.guarantee.claim import Claim, Subject, worst
from ctrecon.measure.metrics import equivariance_error
from ctrecon.models.model import Stop
from ctrecon.shapes import Image

EXACT = 1e-5  # of the largest value: rounding in float32
ANGLES = (15, 30, 45, 60, 75)  # degrees; the grid does not map to itself


@torch.no_grad()
def claims(subject: Subject) -> Iterator[Claim]:
    """Each learned part and the whole reconstruction at 90 degrees, and the whole reconstruction at other angles."""
    model = subject.model
    promised = model.rotations % 4 == 0
    theory = "turns by 90 degrees pass through" if promised else ""
    alone = [claim for stop in model.stops(subject.y) for claim in _part(stop, theory)]
    if alone:
        yield worst(alone)
    try:
        error = equivariance_error(model, subject.y, model.geometry.turn)
        bound = max(EXACT, subject.ray.projector.symmetric_to) if promised else None
        yield Claim("equivariance", "whole reconstruction, 90 degrees", theory, error, bound)
    except InputError:  # this scan has no quarter turn
        pass
    upright = model(subject.ray(subject.truth))
    for angle in ANGLES:
        yield Claim("equivariance", f"whole reconstruction, {angle} degrees", "", _turned(subject, upright, angle))


@torch.no_grad()
def _part(stop: Stop, theory: str) -> Iterator[Claim]:
    try:
        turned_inputs = [stop.turn(one) for one in stop.inputs]
    except InputError:  # this grid has no quarter turn
        return
    upright, turned = (_tuple(stop.part(*inputs)) for inputs in (stop.inputs, turned_inputs))
    pairs = zip(turned, upright, strict=True)
    error = max((((a - stop.turn(b)).abs().max() / b.abs().max()).item() for a, b in pairs if b.any()), default=0.0)
    yield Claim("equivariance", f"{stop.name}, 90 degrees", theory, error, EXACT if theory else None)


def _tuple(out: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return out if isinstance(out, tuple) else (out,)


def _turned(subject: Subject, upright: Image, angle: int) -> float:
    """Largest difference on the disk that every turn keeps, over the largest value: noise-free scans of the image and of its turn."""
    turned = subject.model(subject.ray(rotate(subject.truth, angle)))
    return ((turned - rotate(upright, angle)) * _disk(upright)).abs().max().item() / upright.abs().max().item()


def _disk(x: Image) -> Image:
    axis = (torch.arange(x.shape[-1], device=x.device) + 0.5) / x.shape[-1] * 2 - 1
    return (axis[:, None] ** 2 + axis**2 < 0.9**2).to(x)[None, None]
