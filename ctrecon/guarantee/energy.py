"""Energies: nearly conserved by symplectic steps, never raised by short steps down a gradient."""

from collections.abc import Iterator

import torch

from ctrecon.conv.activation import Activation
from ctrecon.guarantee.claim import Claim, Subject, worst
from ctrecon.guarantee.stop import blocks, resized
from ctrecon.ode.block import Block
from ctrecon.ode.gradient_flow import GradientFlow
from ctrecon.ode.nonexpansive import Nonexpansive
from ctrecon.ode.separable import Separable
from ctrecon.ode.splitting import Splitting
from ctrecon.shapes import Features

STEPS, PHASE = 400, 0.2  # so many steps of this length over the highest frequency
GRID = 24  # pixels: conservation is a matter of the field, not of the image
NONLINEAR = 1.02  # what curvature may add to the swing of a linear oscillator


@torch.no_grad()
def claims(subject: Subject) -> Iterator[Claim]:
    """Every block with an energy."""
    found: dict[type, list[Claim]] = {}
    for name, block, z in blocks(subject):
        if all(s.pointwise for s in block.modules() if isinstance(s, Activation)):
            if isinstance(block.field, Separable):
                found.setdefault(Separable, []).append(_drift(name, block, z))
            elif isinstance(block.field, GradientFlow):
                found.setdefault(GradientFlow, []).append(_descent(name, block, z))
    yield from (worst(like) for like in found.values())


def _drift(name: str, block: Block, z: Features) -> Claim:
    field, z = block.field, resized(z, min(GRID, *z.shape[2:]))
    state = field.begin(z)
    first = largest = field.energy(state)
    h = PHASE / max(field.frequency(tuple(z.shape[2:])), 1e-30)
    for _ in range(STEPS):
        state = block.integrator.step(field, state, h)
        largest = torch.maximum(largest, field.energy(state))
    symplectic = isinstance(block.integrator, Splitting)
    theory = f"largest energy over the first stays bounded ({STEPS} steps)" if symplectic else ""
    bound = NONLINEAR * block.integrator.swing(PHASE) if symplectic else None
    return Claim("energy", name, theory, (largest / first.clamp(min=1e-30)).max().item(), bound)


def _descent(name: str, block: Block, z: Features) -> Claim:
    """The largest rise of the potential in a step, over its first value: a step of h rate <= 2 has none."""
    state, rise, short = block.field.begin(z), 0.0, isinstance(block, Nonexpansive)
    first = block.field.potential.value(state).abs().clamp(min=1e-30)
    for field, h in block.plan():
        before = field.potential.value(state)
        state = block.integrator.step(field, state, h)
        rise = max(rise, ((field.potential.value(state) - before) / first).max().item())
    return Claim("energy", name, "the potential never rises" if short else "", rise, 1e-6 if short else None)
