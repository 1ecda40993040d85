"""Lipschitz bounds: how far a map brings two inputs apart, at most."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from ctrecon.conv.activation import Activation
from ctrecon.guarantee.claim import Claim, Subject, worst
from ctrecon.guarantee.search import Map, activated, largest_growth, local_growth
from ctrecon.guarantee.stop import blocks, resized
from ctrecon.models.model import Iteration

ROUNDING = 1e-4
GRID = 64  # pixels at most: norms hardly grow beyond, and searches cost more


def claims(subject: Subject) -> Iterator[Claim]:
    """Blocks, and parts with a Lipschitz constant, under an adversary, at two image sizes; other blocks near the features that the image has there."""
    pixels = min(subject.model.geometry.pixels, GRID)
    smaller = 3 * pixels // 4
    found: dict[str, list[Claim]] = {}
    for name, block, z in blocks(subject):
        for size in (pixels, smaller):
            like, at = found.setdefault(f"blocks {size}", []), resized(z, size)
            bound = block.lipschitz(tuple(at.shape[2:]))
            if bound is None:
                like.append(Claim("expansion", f"{name}, {size} x {size}, at these features", "", local_growth(block, at)[1]))
                break  # one size is enough where nothing is promised
            like.append(_promised(f"{name}, {size} x {size}", block, _units(block), at, bound))
    for stop in subject.model.stops(subject.y):
        for size in (pixels, smaller) if stop.on_images else ():
            u = resized(stop.inputs[0], size)
            claim = _promised(f"{stop.name}, {size} x {size}", stop.on_images, _units(stop.part), u, stop.lipschitz)
            found.setdefault(f"parts {size}", []).append(claim)
    yield from (worst(like) for like in found.values())
    iteration = subject.model.iteration(subject.y)
    if iteration:
        yield _iterated(iteration)


def _promised(name: str, f: Map, units: list[Activation], z: Tensor, bound: float) -> Claim:
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(0)).to(z)
    starts = [z, z.std().clamp(min=1e-3) * noise, activated(f, units, noise)]
    return Claim("expansion", name, f"never more than {bound:.4g}", largest_growth(f, starts), bound * (1 + ROUNDING))


def _units(module: torch.nn.Module) -> list[Activation]:
    return [m for m in module.modules() if isinstance(m, Activation)]


@torch.no_grad()
def _iterated(iteration: Iteration) -> Claim:
    """The longest step of the iteration over the one before it, as far as rounding lets it see."""
    x, steps = iteration.start, []
    for _ in range(40):
        after = iteration.step(x)
        steps.append((after - x).norm().item())
        x = after
    seen = [step for step in steps if step > 1e-5 * x.norm().item()]
    ratio = max((b / a for a, b in pairwise(seen)), default=0.0)
    theory = "never longer, so that iterating converges" if iteration.converges else ""
    bound = 1 + ROUNDING if iteration.converges else None
    return Claim("expansion", "a step of the iteration over the one before", theory, ratio, bound)
