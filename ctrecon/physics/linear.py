"""A linear map M as a differentiable function: its derivative is M itself, and its backward pass M^T."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]


class Linear(torch.autograd.Function):
    """y = M x, to any order of derivatives and under torch.func.

    Args of `apply`:
        x: (B, 1, ., .).
        multiply: x to M x.
        transpose: y to M^T y.
    """

    @classmethod
    def apply(cls, *args: Any) -> Tensor:
        """As torch's own. That binds the arguments by name first, which takes as long as a small product: only torch.func needs it."""
        first = super() if torch._C._are_functorch_transforms_active() else super(torch.autograd.Function, cls)
        return first.apply(*args)

    @staticmethod
    def forward(x: Tensor, multiply: Product, transpose: Product) -> Tensor:
        return multiply(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Product, Product], output: Tensor) -> None:
        ctx.pair = inputs[1:]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        multiply, transpose = ctx.pair
        return Linear.apply(grad, transpose, multiply), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return Linear.apply(tangent, *ctx.pair)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, multiply: Product, transpose: Product) -> tuple[Tensor, int]:
        batches = x.movedim(in_dims[0], 0)  # batches of batches: one long batch
        return Linear.apply(batches.flatten(0, 1), multiply, transpose).unflatten(0, batches.shape[:2]), 0
