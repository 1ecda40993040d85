"""What the blocks of a model see on the way to an image."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ctrecon.guarantee.claim import Subject
from ctrecon.ode.block import Block
from ctrecon.shapes import Features


@torch.no_grad()
def blocks(subject: Subject) -> Iterator[tuple[str, Block, Features]]:
    """The blocks at every stop of the model, by name, with the features that go in."""
    for stop in subject.model.stops(subject.y):
        seen: list[tuple[Block, Features]] = []
        found = [module for module in stop.part.modules() if isinstance(module, Block)]
        hooks = [b.register_forward_pre_hook(lambda b, inputs, seen=seen: seen.append((b, inputs[0]))) for b in found]
        try:
            stop.part(*stop.inputs)
        finally:
            for hook in hooks:
                hook.remove()
        for k, (block, z) in enumerate(seen):
            yield f"block {k + 1} of {stop.name}" if len(seen) > 1 else f"block of {stop.name}", block, z


def resized(z: Tensor, size: int) -> Tensor:
    """Features cut to, or repeated up to, another size."""
    times = -(-size // min(z.shape[2:]))
    return z.repeat(1, 1, times, times)[:, :, :size, :size]
