"""Conjugate gradients: the solution x of N x = b, for a symmetric N without negative eigenvalues."""

from collections.abc import Callable

import torch
from torch import Tensor


def conjugate_gradients(
    N: Callable[[Tensor], Tensor], b: Tensor, iterations: int, dot: Callable[[Tensor, Tensor], Tensor] = torch.dot
) -> Tensor:
    """The iterate x after so many iterations from x = 0, or once only rounding is left of the residual.

    With N = K^T K and b = K^T data these are the iterates of CGLS on min |K x - data|^2.

    Args:
        N: The operator, from the shape of b to the same shape.
        b: The right side: a vector, or with another `dot` a batch of anything.
        iterations: The largest number of iterations.
        dot: The inner product of two such tensors, in a shape that multiplies them: a number, or one number an element of a batch,
            each of which is then solved on its own.

    Source: Hestenes, Stiefel, J. Res. NBS 49 (1952) 409, sections 3 and 10.
    """
    tiny = torch.finfo(b.dtype).tiny
    x, residual, direction, size = torch.zeros_like(b), b, b, dot(b, b)
    first = size
    for _ in range(iterations):
        going = size > 1e-12 * first
        if not going.any():
            break
        image = N(direction)
        step = torch.where(going, size / dot(direction, image).clamp(min=tiny), 0)
        x, residual = x + step * direction, residual - step * image
        before, size = size, dot(residual, residual)
        direction = residual + torch.where(going, size / before.clamp(min=tiny), 0) * direction
    return x


def per_image(x: Tensor, y: Tensor) -> Tensor:
    """The inner product of each of a batch of images or sinograms, (B, 1, ., .), as (B, 1, 1, 1)."""
    return (x * y).sum((1, 2, 3), keepdim=True)
