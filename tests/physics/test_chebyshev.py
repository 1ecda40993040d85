"""Chebyshev's iteration against the inverse of an explicit matrix."""

import math

import pytest
import torch

from ctrecon.physics.chebyshev import inverse


@pytest.mark.parametrize("bound", [0.5, 30.0])
@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_residual_is_the_best_that_a_polynomial_can_reach(bound, iterations):
    """At most what is said, and no less: it is reached at both ends of the eigenvalues."""
    values = torch.linspace(0, bound, 401, dtype=torch.float64)
    rest = 1 - (1 + values) * inverse(lambda z: values * z, torch.ones_like(values), bound, iterations)
    least = 1 / math.cosh(iterations * math.acosh(1 + 2 / bound))
    assert rest.abs().max().item() == pytest.approx(least, rel=1e-9)
    assert rest[[0, -1]].abs().tolist() == pytest.approx([least] * 2, rel=1e-9)


def test_many_iterations_give_the_inverse_of_a_matrix():
    K = torch.randn(9, 6, dtype=torch.float64)
    N, b = K.T @ K, torch.randn(6, dtype=torch.float64)
    bound = torch.linalg.matrix_norm(N, 2).item()
    torch.testing.assert_close(
        inverse(N.mv, b, bound, 200), torch.linalg.solve(torch.eye(6).double() + N, b), rtol=1e-10, atol=1e-12
    )
