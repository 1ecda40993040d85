"""The usual optimisers, torch's own."""

import torch
from torch import nn

from ctrecon.errors import InputError


def check_factors(**factors: int | float) -> None:
    """Raises InputError where an option that decays something, each step by a factor, is not from 0 to below 1."""
    for name, value in factors.items():
        if not 0 <= value < 1:
            raise InputError(f"optimizer.{name}={value}: expected at least 0 and less than 1")


def adam(model: nn.Module, lr: float, beta1: float = 0.9, beta2: float = 0.999) -> torch.optim.Optimizer:
    """Adam. Raises InputError where a factor is out of range."""
    check_factors(beta1=beta1, beta2=beta2)
    return torch.optim.Adam(model.parameters(), lr=lr, betas=(beta1, beta2))


def adamw(
    model: nn.Module, lr: float, beta1: float = 0.9, beta2: float = 0.999, weight_decay: float = 0.01
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay. Raises InputError where a factor is out of range."""
    check_factors(beta1=beta1, beta2=beta2, weight_decay=weight_decay)
    return torch.optim.AdamW(model.parameters(), lr=lr, betas=(beta1, beta2), weight_decay=weight_decay)


def sgd(model: nn.Module, lr: float, momentum: float = 0.9) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum. Raises InputError where the momentum is out of range."""
    check_factors(momentum=momentum)
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
