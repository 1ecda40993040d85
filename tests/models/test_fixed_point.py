"""Fixed points, and derivatives through them."""

import pytest
import torch
from conftest import experiment

from ctrecon.errors import InputError
from ctrecon.models.fixed_point import fixed_point, implicit


def contraction(size, slope):
    """z -> z / 2 + slope / 2 Q tanh(z) + b for each of a batch, Q orthogonal."""
    Q = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))[0]
    b = torch.randn(3, size, dtype=torch.float64)
    return lambda z: 0.5 * z + 0.5 * slope * torch.tanh(z) @ Q + b


@pytest.mark.parametrize("slope", [0.3, 0.9])
def test_found_to_the_tolerance(slope):
    f, evaluations = contraction(20, slope), []
    z = fixed_point(lambda z: evaluations.append(1) or f(z), torch.zeros(3, 20, dtype=torch.float64), 1e-8, 500)
    assert ((f(z) - z).norm(dim=1) <= 1e-8 * z.norm(dim=1)).all() and 5 < len(evaluations) < 500


def test_elements_of_a_batch_are_on_their_own():
    """One that stands still waits for the others, unchanged to the last bit."""
    f, start = contraction(20, 0.9), torch.randn(3, 20, dtype=torch.float64) * torch.tensor([[1e-3], [1.0], [1e3]])
    together = fixed_point(f, start, 1e-2, 500)
    for k in range(3):
        alone = fixed_point(lambda z, k=k: f(z.expand(3, -1))[k : k + 1], start[k : k + 1], 1e-2, 500)
        torch.testing.assert_close(alone, together[k : k + 1], rtol=0, atol=1e-14)


def test_iterations_are_a_limit():
    count = [0]

    def f(z):
        count[0] += 1
        return z + 1

    fixed_point(f, torch.zeros(1, 4), 1e-6, 7)
    assert count == [7]


def test_implicit_derivatives_are_those_of_the_whole_iteration():
    """With respect to parameters inside, and to what the start was made from: nothing, since the fixed point forgets it."""
    Q = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    grads = []
    for whole in (True, False):
        b = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(2, 6).requires_grad_()
        f = lambda z, b=b: 0.6 * torch.tanh(z) @ Q + b  # noqa: E731
        z = torch.zeros(2, 6, dtype=torch.float64)
        if whole:
            for _ in range(200):
                z = f(z)
        else:
            z = implicit(f, fixed_point(f, z, 1e-12, 500), 1e-12, 500)
        (z**3).sum().backward()
        grads.append(b.grad)
    torch.testing.assert_close(*grads, rtol=1e-8, atol=1e-10)


def test_an_equilibrium_stands_still_and_has_the_gradient_of_its_iteration():
    """On a scan that sees the whole image, so that both come to rest; against the gradient through every iteration, kept in memory."""
    words = [
        "model=equilibrium",
        "model.tolerance=1e-6",
        "geometry.pixels=8",
        "geometry.views=40",
        "model.iterations=1000",
        "conv.channels=4",
    ]
    e = experiment(*words, "start=zero")
    m, y = e.model().eval(), e.geometry.fov_m * torch.rand(1, 1, *e.geometry.shape)
    m.cells[0].scale_correction(1000)
    x = m(y)
    step = m._step(y)
    assert (step(x) - x).norm() < 2e-6 * x.norm()
    x.square().sum().backward()
    implicitly = {name: p.grad.clone() for name, p in m.named_parameters()}
    m.zero_grad()
    z = m.start(y)
    for _ in range(2000):
        z = step(z)
    z.square().sum().backward()
    for name, p in m.named_parameters():
        assert (p.grad - implicitly[name]).norm() < 2e-2 * p.grad.norm(), name


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cell=free"], "cell=averaged"),
        (["data_term=poisson_likelihood"], "data_term=least_squares"),
        (["model.tolerance=0.0"], "between 0 and 1"),
    ],
    ids=str,
)
def test_iterations_that_may_not_converge_are_refused(words, says):
    with pytest.raises(InputError, match=says):
        experiment("model=equilibrium", *words).model()
