"""What the cells of an unrolled model see on their way to an image."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ctrecon.guarantee.claim import Subject
from ctrecon.models.cell import Cell
from ctrecon.models.unrolled import Unrolled
from ctrecon.ode.block import Block
from ctrecon.shapes import Features, Image


@dataclass(frozen=True)
class Stop:
    """One iteration: its cell and what goes in."""

    name: str
    cell: Cell
    x: Image
    gradient: Image
    s: Features


@torch.no_grad()
def cells(subject: Subject) -> Iterator[Stop]:
    """The first iteration of every cell; none for a model without cells."""
    model, y = subject.model, subject.y
    if not isinstance(model, Unrolled):
        return
    x = model.start(y)
    s = x.new_zeros(len(x), model.memory, *x.shape[2:])
    for k, cell in enumerate(model.cells):
        gradient = model.term.gradient(x, y)
        yield Stop(f"cell {k + 1}", cell, x, gradient, s)
        x, s = cell(x, gradient, s)


@torch.no_grad()
def blocks(subject: Subject) -> Iterator[tuple[str, Block, Features]]:
    """The blocks of every cell, by name, with the features that go in."""
    for stop in cells(subject):
        seen: list[tuple[Block, Features]] = []
        found = [module for module in stop.cell.modules() if isinstance(module, Block)]
        hooks = [b.register_forward_pre_hook(lambda b, inputs, seen=seen: seen.append((b, inputs[0]))) for b in found]
        try:
            stop.cell(stop.x, stop.gradient, stop.s)
        finally:
            for hook in hooks:
                hook.remove()
        for k, (block, z) in enumerate(seen):
            yield f"block {k + 1} of {stop.name}" if len(seen) > 1 else f"block of {stop.name}", block, z


def resized(z: Tensor, size: int) -> Tensor:
    """Features cut to, or repeated up to, another size."""
    times = -(-size // min(z.shape[2:]))
    return z.repeat(1, 1, times, times)[:, :, :size, :size]
