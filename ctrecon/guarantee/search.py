"""Searches for what a map does worst: growth of small differences, and of differences of any size."""

from collections.abc import Callable

import torch
from torch import Tensor

from ctrecon.conv.activation import Activation
from ctrecon.conv.norm import top_singular

Map = Callable[[Tensor], Tensor]
CLIMBS = 12  # of the adversary, from each start
COARSE = 1e-3  # of local growth, relative: it only chooses where to climb


def local_growth(f: Map, z: Tensor, tolerance: float = COARSE) -> tuple[Tensor, float]:
    """The direction in which f grows most at z, and by how much: the largest singular value of its Jacobian.

    Raises:
        NotImplementedError: f has no derivatives.
    """
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        out = f(z)
        if not out.requires_grad:
            raise NotImplementedError("this map has no derivatives")
        u = torch.zeros_like(out, requires_grad=True)
        pulled = torch.autograd.grad(out, z, u, create_graph=True)[0]  # linear in u; its own derivative pushes forward
    forward = lambda v: torch.autograd.grad(pulled, u, v, retain_graph=True)[0]  # noqa: E731
    backward = lambda w: torch.autograd.grad(out, z, w, retain_graph=True)[0]  # noqa: E731
    start = torch.randn(z.shape, generator=torch.Generator().manual_seed(0)).to(z)
    return top_singular(forward, backward, start, tolerance)


def largest_growth(f: Map, starts: list[Tensor]) -> float:
    """The largest |f(a) - f(b)| / |a - b| that an adversary finds.

    From each start it takes the direction of largest local growth, then climbs the quotient along its gradient in both the point and
    the difference, across kinks of the activations, where derivatives alone see nothing. Differences keep to a size at which
    rounding does not matter.
    """
    found = 0.0
    for z in starts:
        direction, growth = local_growth(f, z)
        found = max(found, growth)
        size = z.norm().clamp(min=1.0)
        a, d = z.clone(), direction
        for _ in range(CLIMBS):
            a, d = a.detach().requires_grad_(), (0.3 * size * d / d.norm()).detach().requires_grad_()
            with torch.enable_grad():
                quotient = (f(a + d) - f(a)).norm() / d.norm()
            found = max(found, quotient.item())
            up_a, up_d = torch.autograd.grad(quotient, [a, d])
            a = a + 0.2 * size * up_a / up_a.norm().clamp(min=1e-30)
            d = d + 0.5 * d.norm() * up_d / up_d.norm().clamp(min=1e-30)
    return found


def activated(f: Map, activations: list[Activation], z: Tensor) -> Tensor:
    """A point near which as many units as possible are active, their slopes largest: there a gradient flow moves fastest.

    Minimises the sum over units of max(1 - input, 0)^2 by L-BFGS from z. Random points leave half of the units idle, and a step twice too
    long looks harmless there.
    """
    seen: list[Tensor] = []
    hooks = [s.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])) for s in activations]
    point = z.detach().clone().requires_grad_()
    descent = torch.optim.LBFGS([point], max_iter=80, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        seen.clear()
        descent.zero_grad()
        f(point)
        idle = sum((1 - inputs).clamp(min=0).square().sum() for inputs in seen)
        idle.backward()
        return idle

    try:
        with torch.enable_grad():
            descent.step(loss)
    finally:
        for hook in hooks:
            hook.remove()
    return point.detach()
