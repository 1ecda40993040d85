"""Contract of an optimiser, for every member of conf/optimizer, and the structure that some of them keep."""

import math

import pytest
import torch
from conftest import experiment
from torch import nn

from ctrecon.conv.convolution import Convolution
from ctrecon.errors import InputError
from ctrecon.ode.block import Block
from ctrecon.optimizer.conformal import HeavyBall, Relativistic
from ctrecon.optimizer.stiefel import Stiefel


def model(*words):
    return experiment("model.iterations=1", "model.memory=1", *words).model()


def loss_of(m):
    """A smooth loss with gradients to every parameter, without a scan."""
    return sum(((p - 0.1) ** 2 + 0.05 * torch.sin(3 * p)).sum() for p in m.parameters())


RATES = {"heavy_ball": 0.2, "relativistic": 0.2, "sgd": 1e-2}


def train(m, descent, steps):
    for _ in range(steps):
        descent.zero_grad()
        loss = loss_of(m)
        loss.backward()
        descent.step()
    return loss_of(m).item()


def test_descends_and_goes_on_from_its_state(optimizer):
    """Half a training, its state kept and loaded into a new one, ends where the whole one ends."""
    e = experiment(f"optimizer={optimizer}")
    lr = RATES.get(optimizer, 1e-2)
    whole, half, rest = (model() for _ in range(3))
    before = loss_of(whole).item()
    assert train(whole, e.optimizer(whole, lr), 30) < before
    first = e.optimizer(half, lr)
    train(half, first, 12)
    second = e.optimizer(rest, lr)
    with torch.no_grad():
        for p, kept in zip(rest.parameters(), half.parameters(), strict=True):
            p.copy_(kept)
    second.load_state_dict(first.state_dict())
    train(rest, second, 18)
    for p, q in zip(whole.parameters(), rest.parameters(), strict=True):
        assert torch.equal(p, q)


def flow_jacobian(kind, stiffness, h, steps=1, **options):
    """The Jacobian of (x, p) -> (x, p) for the loss x^T diag(stiffness) x / 2, column by column."""
    n, columns = len(stiffness), []
    for k in range(2 * n):
        unit = torch.zeros(2 * n, dtype=torch.float64)
        unit[k] = 1.0
        x = nn.Parameter(unit[:n].clone())
        descent = kind([x], h, **options)
        descent.state[x]["momentum"] = unit[n:].clone()
        for _ in range(steps):
            descent.zero_grad()
            (stiffness * x**2 / 2).sum().backward()
            descent.step()
        columns.append(torch.cat([x.detach(), descent.state[x]["momentum"]]))
    return torch.stack(columns, 1)


def test_symplectic_form_contracts_at_its_exact_rate():
    """J^T Omega J = e^(-gamma h n) Omega after n steps on a quadratic, to the last digits, whatever h; Adam has no such thing."""
    stiffness, h, friction = torch.tensor([1.0, 3.0, 0.2], dtype=torch.float64), 0.4, 0.7
    omega = torch.zeros(6, 6, dtype=torch.float64)
    omega[:3, 3:], omega[3:, :3] = torch.eye(3), -torch.eye(3)
    for steps in (1, 10):
        J = flow_jacobian(HeavyBall, stiffness, h, steps, friction=friction)
        torch.testing.assert_close(J.T @ omega @ J, math.exp(-friction * h * steps) * omega, rtol=1e-12, atol=1e-12)


def test_relativistic_step_contracts_the_form_too():
    """Its kinetic energy is not quadratic: the Jacobian, by differences, at a point with large momentum."""
    h, friction, c = 0.3, 0.5, 0.8

    def step(state):
        x = nn.Parameter(state[:2].clone())
        descent = Relativistic([x], h, friction, c)
        descent.state[x]["momentum"] = state[2:].clone()
        (x**4 / 4 + x[0] * x[1]).sum().backward()
        descent.step()
        return torch.cat([x.detach(), descent.state[x]["momentum"]])

    at, eps = torch.tensor([0.5, -0.3, 2.0, 1.0], dtype=torch.float64), 1e-6
    J = torch.stack([(step(at + eps * u) - step(at - eps * u)) / (2 * eps) for u in torch.eye(4, dtype=torch.float64)], 1)
    omega = torch.zeros(4, 4, dtype=torch.float64)
    omega[:2, 2:], omega[2:, :2] = torch.eye(2), -torch.eye(2)
    torch.testing.assert_close(J.T @ omega @ J, math.exp(-friction * h) * omega, rtol=0, atol=1e-8)


def test_heavy_ball_is_momentum_of_its_rate():
    """x_(n+1) - x_n = e^(-gamma h) (x_n - x_(n-1)) - h^2 grad."""
    h, friction = 0.1, 2.0
    x = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    descent, seen = HeavyBall([x], h, friction), [1.0, 1.0]
    for _ in range(5):
        descent.zero_grad()
        (2 * x**2).sum().backward()
        descent.step()
        seen.append(seen[-1] + math.exp(-friction * h) * (seen[-1] - seen[-2]) - h**2 * 4 * seen[-1])
        assert x.item() == pytest.approx(seen[-1], rel=1e-12)


def test_relativistic_steps_are_bounded():
    """However steep the loss, all parameters together move by less than h c; and for a large c it is the heavy ball."""
    x, y = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(3))
    descent = Relativistic([x, y], lr=0.1, friction=0.0, speed=2.0)
    for _ in range(5):
        before = torch.cat([x, y]).detach().clone()
        descent.zero_grad()
        (1e6 * (x.sum() + y.square().sum())).backward()
        descent.step()
        assert (torch.cat([x, y]) - before).norm() <= 0.2 * (1 + 1e-6)
    J = flow_jacobian(Relativistic, torch.tensor([1.0, 2.0], dtype=torch.float64), 0.1, friction=1.0, speed=1e6)
    ball = flow_jacobian(HeavyBall, torch.tensor([1.0, 2.0], dtype=torch.float64), 0.1, friction=1.0)
    torch.testing.assert_close(J, ball, rtol=0, atol=1e-9)


def defect(m):
    """Largest |W W^T - 1| over the convolutions inside blocks (rows or columns, whichever are fewer)."""
    worst = 0.0
    for block in (b for b in m.modules() if isinstance(b, Block)):
        for layer in (c for c in block.modules() if isinstance(c, Convolution)):
            W = layer.weight.detach().double().reshape(layer.bias.numel(), -1)
            W = W if W.shape[0] <= W.shape[1] else W.T
            worst = max(worst, (W @ W.T - torch.eye(len(W))).abs().max().item())
    return worst


@pytest.mark.parametrize("features", ["plain", "c4", "p4"])
def test_orthogonal_parameters_stay_so(features):
    """To 1e-6 after 500 steps, while everything moves and the loss falls."""
    m = model(f"conv={features}", "field=hamiltonian")
    before = loss_of(m).item()
    drawn = m.cells[0].network.blocks[0].field.potential.K.weight.clone()
    descent = Stiefel(m, lr=1e-2)
    assert defect(m) < 1e-6
    after = train(m, descent, 500)
    assert defect(m) < 1e-6 and after < before
    assert (m.cells[0].network.blocks[0].field.potential.K.weight - drawn).abs().max() > 1e-2


def test_bad_values_are_refused():
    for words in (("heavy_ball", "optimizer.friction=-1.0"), ("relativistic", "optimizer.speed=0.0")):
        with pytest.raises(InputError, match="optimizer"):
            experiment(f"optimizer={words[0]}", words[1]).optimizer(model(), 0.1)
