"""Reversibility: steps undone give back what they started from."""

from collections.abc import Iterator

import torch

from ctrecon.guarantee.claim import Claim, Subject, worst
from ctrecon.guarantee.stop import blocks
from ctrecon.ode.block import Block
from ctrecon.ode.splitting import Splitting
from ctrecon.shapes import Features

EXACT = 1e-5  # of the largest state on the way: rounding in float32


@torch.no_grad()
def claims(subject: Subject) -> Iterator[Claim]:
    """Every block whose integrator can undo its steps."""
    theory, invertible = "exact", [found for found in blocks(subject) if isinstance(found[1].integrator, Splitting)]
    if invertible:
        yield worst([Claim("reversibility", name, theory, _defect(block, z), EXACT) for name, block, z in invertible])


def _defect(block: Block, z: Features) -> float:
    begun = state = block.field.begin(z)
    largest = begun.norm()
    for field, h in block.plan():
        state = block.integrator.step(field, state, h)
        largest = torch.maximum(largest, state.norm())
    for field, h in reversed(block.plan()):
        state = block.integrator.undo(field, state, h)
    return ((state - begun).norm() / largest.clamp(min=1e-30)).item()
