"""The usual optimisers, torch's own."""

import torch
from torch import nn


def adam(model: nn.Module, lr: float, beta1: float = 0.9, beta2: float = 0.999) -> torch.optim.Optimizer:
    """Adam."""
    return torch.optim.Adam(model.parameters(), lr=lr, betas=(beta1, beta2))


def adamw(
    model: nn.Module, lr: float, beta1: float = 0.9, beta2: float = 0.999, weight_decay: float = 0.01
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay."""
    return torch.optim.AdamW(model.parameters(), lr=lr, betas=(beta1, beta2), weight_decay=weight_decay)


def sgd(model: nn.Module, lr: float, momentum: float = 0.9) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum."""
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
