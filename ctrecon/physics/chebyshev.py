"""Chebyshev's iteration: the inverse of I + N as a polynomial of N, the same for every right side."""

from torch import Tensor

from ctrecon.physics.linear import Product


def inverse(N: Product, b: Tensor, bound: float, iterations: int) -> Tensor:
    """p(N) b, close to (I + N)^-1 b: the iterate after so many iterations from zero. Linear and symmetric, as N is, and as equivariant.

    Args:
        N: A symmetric map from the shape of b to the same shape, its eigenvalues between 0 and `bound`.
        b: The right side.
        bound: Of the eigenvalues of N; positive.
        iterations: The degree of p plus one. I - (I + N) p(N) has a norm of at most 1 / cosh(iterations arcosh(1 + 2 / bound)), below 1.

    Source: Saad, Iterative Methods for Sparse Linear Systems (2003), algorithm 12.1.
    """
    middle, half = 1 + bound / 2, bound / 2
    ratio = half / middle
    x = step = b / middle
    rest = b - step - N(step)
    for _ in range(iterations - 1):
        before, ratio = ratio, 1 / (2 * middle / half - ratio)
        step = ratio * before * step + 2 * ratio / half * rest
        x, rest = x + step, rest - step - N(step)
    return x
