"""How far a training is, for people and for the files; and going on from what was kept."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from ctrecon.optimizer.moving_average import MovingAverage
from ctrecon.runs.moved import current_name
from ctrecon.runs.run import WEIGHTS, Run


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: Steps done.
        seconds: They took, validations included.
        best: Best score of a validation, the larger the better.
        kept: What was measured of the weights that have it.
        stale: Validations since it.
        losses: Of the steps since the last validation.
        history: A row a validation.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    kept: dict[str, float] = field(default_factory=dict)
    stale: int = 0
    losses: list[float | torch.Tensor] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


class Bar:
    """A bar of progress with the remaining time; where nobody looks at a terminal, a line of the same after the first seconds.

    Args:
        title: What goes on.
        total: Its parts, of which `done` are done already.
        unit: What a part is.
        silent: Whether nothing is shown, as in a process beside the first.
        most: Whether there may be fewer parts.
    """

    SOON_S = 3.0  # when the line comes

    def __init__(self, title: str, total: int, done: int, unit: str, silent: bool = False, most: bool = False) -> None:
        # disable=None: no bar where nobody looks.
        self._bar = tqdm(total=total, initial=done, desc=title, unit=unit, disable=True if silent else None)
        self._title, self._total, self._done, self._unit = title, total, done, unit
        self._began, self._first, self._most = time.perf_counter(), done, "at most " if most else ""
        self._said = silent or not self._bar.disable

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def update(self, parts: int = 1) -> None:
        """So many more parts are done."""
        self._done += parts
        self._bar.update(parts)
        if not self._said and self._done < self._total and time.perf_counter() - self._began > self.SOON_S:
            self._said = True
            print(f"{self._title}  {self._unit} {self._done}/{self._total}  {self.left()}", flush=True)

    def left(self) -> str:
        """The remaining time in words."""
        seconds = (time.perf_counter() - self._began) / max(1, self._done - self._first) * (self._total - self._done)
        return f"{self._most}{seconds:.0f} s left"

    def write(self, line: str) -> None:
        """A line beside the bar."""
        self._bar.write(line)


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
    known = model.state_dict()
    for name, value in kept.items():
        owner, _, leaf = current_name(name, known).rpartition(".")
        module = model.get_submodule(owner)
        setattr(module, leaf, value.to(getattr(module, leaf).device))
