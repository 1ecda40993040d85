"""What the cells of an unrolled model see on their way to an image."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ctrecon.models.cell import Cell
from ctrecon.models.unrolled import Unrolled
from ctrecon.ode.block import Block
from ctrecon.shapes import Features, Image, Sinogram


@dataclass(frozen=True)
class Stop:
    """One iteration: its cell and what goes in."""

    name: str
    cell: Cell
    x: Image
    gradient: Image
    s: Features


@torch.no_grad()
def walk(model: Unrolled, y: Sinogram) -> Iterator[Stop]:
    """The first iteration of every cell."""
    x = model.start(y)
    s = x.new_zeros(len(x), model.memory, *x.shape[2:])
    for k, cell in enumerate(model.cells):
        gradient = model.term.gradient(x, y)
        yield Stop(f"cell {k + 1}", cell, x, gradient, s)
        x, s = cell(x, gradient, s)


@torch.no_grad()
def blocks(stop: Stop) -> list[tuple[str, Block, Features]]:
    """The blocks of a cell, with the features that go in."""
    found: list[tuple[str, Block, Features]] = []
    named = [(name, module) for name, module in stop.cell.named_modules() if isinstance(module, Block)]

    def keep(module: Block, inputs: tuple[Tensor, ...]) -> None:
        found.append(((f"block {len(found) + 1} of " if len(named) > 1 else "block of ") + stop.name, module, inputs[0]))

    hooks = [module.register_forward_pre_hook(keep) for _, module in named]
    try:
        stop.cell(stop.x, stop.gradient, stop.s)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def resized(z: Tensor, size: int) -> Tensor:
    """Features cut to, or repeated up to, another size."""
    times = -(-size // min(z.shape[2:]))
    return z.repeat(1, 1, times, times)[:, :, :size, :size]
