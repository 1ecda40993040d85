"""Descent with momentum as a mechanical system with friction, discretised without harm to its structure."""

import abc
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ctrecon.errors import InputError


class Conformal(torch.optim.Optimizer, abc.ABC):
    """p <- e^(-gamma h) p - h grad f(x), x <- x + h T'(p): the exact flow of the friction, then symplectic Euler.

    The symplectic form contracts by e^(-gamma h) in each step, exactly, as it does along the flow. Members say what T is.

    Args:
        parameters: x.
        lr: h. A step of a plain gradient descent would be h^2.
        friction: gamma, at least 0.

    Raises:
        InputError: A value is out of range.

    Source: Franca, Sulam, Robinson, Vidal, Conformal symplectic and relativistic optimization, J. Stat. Mech. (2020) 124008.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, friction: int | float) -> None:
        if friction < 0 or not lr > 0:
            raise InputError(f"optimizer.friction={friction}, fit.lr={lr}: expected at least 0 and a positive number")
        super().__init__(parameters, {"lr": lr, "friction": friction})

    @abc.abstractmethod
    def velocity(self, momenta: list[Tensor]) -> list[Tensor]:
        """T'(p), for the momenta of all parameters together."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            h, kept = group["lr"], math.exp(-group["friction"] * group["lr"])
            moving = [x for x in group["params"] if x.grad is not None]
            for x in moving:
                momentum = self.state[x].setdefault("momentum", torch.zeros_like(x))
                momentum.mul_(kept).sub_(x.grad, alpha=h)
            for x, velocity in zip(moving, self.velocity([self.state[x]["momentum"] for x in moving]), strict=True):
                x.add_(velocity, alpha=h)
        return loss


class HeavyBall(Conformal):
    """T(p) = |p|^2 / 2: gradient descent with momentum e^(-gamma h) and learning rate h^2."""

    def velocity(self, momenta: list[Tensor]) -> list[Tensor]:
        return momenta


class Relativistic(Conformal):
    """T(p) = c sqrt(|p|^2 + c^2): nothing moves faster than c, so that no step of all parameters together is longer than h c.

    Args:
        parameters, lr, friction: As for Conformal.
        speed: c, positive. Large ones give the heavy ball.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, friction: int | float, speed: int | float) -> None:
        if not speed > 0:
            raise InputError(f"optimizer.speed={speed}: expected a positive number")
        super().__init__(parameters, lr, friction)
        self.speed = speed

    def velocity(self, momenta: list[Tensor]) -> list[Tensor]:
        square = sum(p.square().sum() for p in momenta)
        return [self.speed * p / torch.sqrt(square + self.speed**2) for p in momenta]


def heavy_ball(model: nn.Module, lr: float, friction: int | float = 0.1) -> Conformal:
    """The conformal Hamiltonian method with quadratic kinetic energy."""
    return HeavyBall(model.parameters(), lr, friction)


def relativistic(model: nn.Module, lr: float, friction: int | float = 0.1, speed: int | float = 0.1) -> Conformal:
    """The conformal Hamiltonian method with relativistic kinetic energy."""
    return Relativistic(model.parameters(), lr, friction, speed)
