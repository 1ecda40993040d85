"""Conjugate gradients: iterates of least error in the norm of N, and the solution after as many steps as N has eigenvalues."""

import torch

from ctrecon.models.conjugate_gradients import conjugate_gradients, per_image


def problem(size=9, eigenvalues=4):
    """A symmetric positive N with few different eigenvalues, in float64."""
    Q = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))[0]
    values = torch.arange(size, dtype=torch.float64) % eigenvalues + 1
    return Q * values @ Q.T, torch.randn(size, dtype=torch.float64)


def test_one_step_an_eigenvalue_solves():
    N, b = problem(eigenvalues=4)
    solution = torch.linalg.solve(N, b)
    torch.testing.assert_close(conjugate_gradients(N.mv, b, 4), solution, rtol=1e-10, atol=1e-12)
    assert (conjugate_gradients(N.mv, b, 3) - solution).norm() > 1e-4


def test_iterates_are_the_best_of_their_krylov_space():
    N, b = problem(eigenvalues=9)
    solution = torch.linalg.solve(N, b)
    space = torch.linalg.qr(torch.stack([torch.linalg.matrix_power(N, k) @ b for k in range(3)], 1))[0]
    best = space @ torch.linalg.solve(space.T @ N @ space, space.T @ b)
    torch.testing.assert_close(conjugate_gradients(N.mv, b, 3), best, rtol=1e-9, atol=1e-12)
    assert (best - solution).norm() > 1e-4


def test_it_stops_where_only_rounding_is_left():
    N, b = problem(eigenvalues=4)
    calls = []

    def counted(x):
        calls.append(1)
        return N @ x

    assert torch.equal(conjugate_gradients(counted, b, 100), conjugate_gradients(N.mv, b, 200)) and len(calls) < 8
    assert not conjugate_gradients(counted, torch.zeros_like(b), 5).any()


def test_elements_of_a_batch_are_solved_on_their_own():
    """Also where one is zero and another one is done long before the rest."""
    scale = torch.rand(1, 1, 4, 4, dtype=torch.float64) + 0.1
    b = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    b[0], b[1, 0, 1:] = 0, 0
    together = conjugate_gradients(lambda x: scale * x, b, 9, per_image)
    for one, alone in zip(together, b, strict=True):
        torch.testing.assert_close(one[None], conjugate_gradients(lambda x: scale * x, alone[None], 9, per_image), rtol=0, atol=0)
    torch.testing.assert_close(conjugate_gradients(lambda x: scale * x, b, 30, per_image), b / scale, rtol=0, atol=1e-4)
