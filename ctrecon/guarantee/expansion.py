"""Lipschitz bounds: how far a map brings two inputs apart, at most."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from ctrecon.conv.activation import Activation
from ctrecon.guarantee.claim import Claim, Subject, worst
from ctrecon.guarantee.search import Map, activated, largest_growth, local_growth
from ctrecon.guarantee.stop import blocks, cells, resized
from ctrecon.models.averaged import Averaged
from ctrecon.models.unrolled import Unrolled
from ctrecon.ode.block import Block
from ctrecon.ode.gradient_flow import GradientFlow
from ctrecon.ode.integrator import euler
from ctrecon.ode.nonexpansive import Nonexpansive

ROUNDING = 1e-4
GRID = 64  # pixels at most: norms hardly grow beyond, and searches cost more


def claims(subject: Subject) -> Iterator[Claim]:
    """Blocks and averaged cells under an adversary, at two image sizes; other blocks near the features that the image has there."""
    pixels = min(subject.model.geometry.pixels, GRID)
    smaller = 3 * pixels // 4
    found: dict[str, list[Claim]] = {}
    for name, block, z in blocks(subject):
        for size in (pixels, smaller):
            like, at = found.setdefault(f"blocks {size}", []), resized(z, size)
            bound = _bound(block, at)
            if bound is None:
                like.append(Claim("expansion", f"{name}, {size} x {size}, at these features", "", local_growth(block, at)[1]))
                break  # one size is enough where nothing is promised
            like.append(_promised(f"{name}, {size} x {size}", block, _units(block), at, bound))
    averaged = [stop for stop in cells(subject) if isinstance(stop.cell, Averaged)]
    for stop in averaged:
        for size in (pixels, smaller):
            u = resized(stop.x, size)
            cell = lambda v, cell=stop.cell: cell(v, torch.zeros_like(v), v[:, :0])[0]  # noqa: E731
            claim = _promised(f"{stop.name}, {size} x {size}", cell, _units(stop.cell), u, 1.0)
            found.setdefault(f"cells {size}", []).append(claim)
    yield from (worst(like) for like in found.values())
    if len(averaged) == 1:
        yield _iteration(subject.model, subject.y)


def _promised(name: str, f: Map, units: list[Activation], z: Tensor, bound: float) -> Claim:
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(0)).to(z)
    starts = [z, z.std().clamp(min=1e-3) * noise, activated(f, units, noise)]
    return Claim("expansion", name, f"never more than {bound:.4g}", largest_growth(f, starts), bound * (1 + ROUNDING))


@torch.no_grad()
def _bound(block: Block, z: Tensor) -> float | None:
    """The Lipschitz constant that theory gives the block on the grid of z, if it gives one."""
    if isinstance(block, Nonexpansive):
        return 1.0
    if isinstance(block.field, GradientFlow) and block.field.potential.activation.pointwise and block.integrator == euler():
        bound = 1.0
        for field, h in block.plan():  # z - h V'(z), whose Jacobian has eigenvalues between 1 - h rate and 1
            bound *= max(1.0, float(h) * field.rate(tuple(z.shape[2:])) - 1)
        return bound
    return None


def _units(module: torch.nn.Module) -> list[Activation]:
    return [m for m in module.modules() if isinstance(m, Activation)]


@torch.no_grad()
def _iteration(model: Unrolled, y: Tensor) -> Claim:
    """The longest step of the one cell's iteration over the one before it, as far as rounding lets it see."""
    cell, x, steps = model.cells[0], model.start(y), []
    for _ in range(40):
        after = cell(x, model.term.gradient(x, y), x[:, :0])[0]
        steps.append((after - x).norm().item())
        x = after
    seen = [step for step in steps if step > 1e-5 * x.norm().item()]
    ratio = max((b / a for a, b in pairwise(seen)), default=0.0)
    promised = model.term.nonexpansive
    theory = "never longer, so that iterating converges" if promised else ""
    return Claim("expansion", "a step of the iteration over the one before", theory, ratio, 1 + ROUNDING if promised else None)
