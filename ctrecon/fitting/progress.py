"""How far a training is, and going on from what was kept."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ctrecon.optimizer.moving_average import MovingAverage
from ctrecon.runs.run import WEIGHTS, Run


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: Steps done.
        seconds: They took, validations included.
        best: Best validation PSNR.
        stale: Validations since it.
        losses: Of the steps since the last validation.
        history: A row a validation.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    stale: int = 0
    losses: list[float | torch.Tensor] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


def resume(run: Run, model: nn.Module, descent: torch.optim.Optimizer, average: MovingAverage) -> Progress:
    """How far the run was, with model, optimiser and average as they were then; from the start where its best weights are gone."""
    state = run.load_state()
    if state is None:
        return Progress()
    if state["history"] and not (run / WEIGHTS).is_file():
        print(f"{run / WEIGHTS}: gone; training from the start", flush=True)
        return Progress()
    for parameter, kept in zip(model.parameters(), state.pop("parameters"), strict=True):
        parameter.data.copy_(kept)
    set_buffers(model, state.pop("buffers"))
    descent.load_state_dict(state.pop("optimizer"))
    average.resume(state.pop("average"))
    return Progress(**state)


def buffers(model: nn.Module) -> dict[str, torch.Tensor]:
    """What a model carries from step to step beside its parameters, such as the directions of its norms."""
    parameters = dict(model.named_parameters())
    return {name: value.cpu() for name, value in model.state_dict().items() if name not in parameters}


def set_buffers(model: nn.Module, kept: dict[str, torch.Tensor]) -> None:
    """Put them back, whatever their shape."""
    for name, value in kept.items():
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        setattr(module, leaf, value.to(getattr(module, leaf).device))
