"""Fixed points z = f(z), and their derivatives without the graph of the iteration."""

from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
MEMORY = 5  # earlier iterates that Anderson's method combines
RIDGE = 1e-8  # of its least squares, relative


@torch.no_grad()
def fixed_point(f: Map, z: Tensor, tolerance: float, iterations: int) -> Tensor:
    """Iterates z <- f(z) with Anderson's acceleration until |f(z) - z| <= tolerance |z| for every element of the batch, or so many times.

    Where an accelerated iterate has a larger residual than the one before, the next one is the plain f(z), so that where f is averaged the
    iteration converges as the plain one does.

    Args:
        f: From (B, ...) to the same shape, each element on its own.
        z: The start.
        tolerance: Of the residual, relative.
        iterations: The largest number of evaluations of f.

    Returns:
        f of the last iterate.

    Source: Walker and Ni, SIAM J. Numer. Anal. 49 (2011) 1715, type II.
    """
    axes = tuple(range(1, z.ndim))
    points: list[Tensor] = []
    images: list[Tensor] = []
    best = torch.full((len(z),), torch.inf, dtype=z.dtype, device=z.device)
    after = z
    for _ in range(iterations):
        after = f(z)
        size = torch.linalg.vector_norm(after - z, dim=axes)
        if (size <= tolerance * torch.linalg.vector_norm(after, dim=axes)).all():
            break
        if (size > best).any():  # begin again from here
            points, images = [], []
        best = size
        points, images = [*points, z][-MEMORY:], [*images, after][-MEMORY:]
        z = _combined(points, images)
    return after


def _combined(points: list[Tensor], images: list[Tensor]) -> Tensor:
    """The combination of images, weights adding up to 1, whose residual is smallest; an element of the batch on its own."""
    if len(points) == 1:
        return images[0]
    z, fz = torch.stack(points, 1).flatten(2), torch.stack(images, 1).flatten(2)
    residual = fz - z
    change, last = residual[:, 1:] - residual[:, :-1], residual[:, -1:]
    gram = change @ change.mT
    ridge = RIDGE * gram.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None].clamp(min=torch.finfo(z.dtype).tiny)
    weights = torch.linalg.solve(gram + ridge * torch.eye(gram.shape[1], dtype=z.dtype, device=z.device), change @ last.mT)
    step = fz[:, 1:] - fz[:, :-1]
    return (fz[:, -1:] - weights.mT @ step)[:, 0].reshape_as(points[0])


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
    if not torch.is_grad_enabled():
        return z
    after = f(z.detach())
    if not after.requires_grad:
        return after
    point = z.detach().requires_grad_()
    again = f(point)

    def pull_back(g: Tensor) -> Tensor:
        step = lambda u: torch.autograd.grad(again, point, u, retain_graph=True)[0] + g  # noqa: E731
        return fixed_point(step, g, tolerance, iterations)

    after.register_hook(pull_back)
    return after
