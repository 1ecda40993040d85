"""Fixed points z = f(z), and their derivatives without the graph of the iteration.

The iteration is the plain one: where f is averaged it converges, every error of rounding stays as small as it was, and what is equivariant
stays so. Anderson's method needs fewer evaluations and keeps neither.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]


@torch.no_grad()
def fixed_point(f: Map, z: Tensor, tolerance: float, iterations: int) -> Tensor:
    """Iterates z <- f(z), each element of the batch until |f(z) - z| <= tolerance |f(z)|, or so many times.

    Args:
        f: From (B, ...) to the same shape, each element on its own.
        z: The start.
        tolerance: Of the last change, relative.
        iterations: The largest number of evaluations of f.

    Returns:
        The last f(z).
    """
    still = torch.zeros(len(z), *(1 for _ in z.shape[1:]), dtype=torch.bool, device=z.device)
    size = lambda z: torch.linalg.vector_norm(z.flatten(1), dim=1).reshape(still.shape)  # noqa: E731
    for _ in range(iterations):
        after = torch.where(still, z, f(z))
        still |= size(after - z) <= tolerance * size(after)
        z = after
        if still.all():
            break
    return z


def implicit(f: Map, z: Tensor, tolerance: float, iterations: int) -> Tensor:
    """The fixed point z once more through f, with the derivatives of the fixed point with respect to all that f depends on.

    With J = df/dz at z, a vector g is pulled back as (I - J^T)^-1 g, the fixed point of u <- J^T u + g, and then through f once. The memory
    is that of one evaluation of f.

    Args:
        f: As for `fixed_point`, with gradients.
        z: Its fixed point.
        tolerance, iterations: Of the search for the fixed point u.

    Source: Bai, Kolter and Koltun, Deep equilibrium models, NeurIPS 2019, theorem 1.
    """
    after = f(z.detach())
    if not after.requires_grad:
        return after
    point = z.detach().requires_grad_()
    again = f(point)

    def pull_back(g: Tensor) -> Tensor:
        linear = g.requires_grad  # derivatives of derivatives: what is linear in g keeps its graph
        step = lambda u: torch.autograd.grad(again, point, u, retain_graph=True, create_graph=linear)[0] + g  # noqa: E731
        if not linear:
            return fixed_point(step, g, tolerance, iterations)
        u = g
        for _ in range(iterations):
            u = step(u)
        return u

    after.register_hook(pull_back)
    return after
