"""How a model is fitted."""

import math
from dataclasses import dataclass

from ctrecon.config.kind import Count, Positive
from ctrecon.errors import InputError
from ctrecon.machine.device import PRECISION

WARM_UP = 0.1  # part of a one-cycle training in which the rate rises


def one_cycle(done: float) -> float:
    """Linearly up from a 25th, then down to zero by a cosine. Source: Smith and Topin, arXiv:1708.07120."""
    if done < WARM_UP:
        return 0.04 + 0.96 * done / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


SCHEDULES = {  # factor of the learning rate at a fraction of the training
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "one_cycle": one_cycle,
}


@dataclass(frozen=True)
class Fit:
    """For how long and how fast an optimiser runs.

    Attributes:
        steps: Optimiser steps, whatever the size of the training set.
        batch: Pairs a step, over all devices and passes.
        passes: Into how many parts, one after the other, a device divides its pairs of a step, to save memory.
        lr: Learning rate.
        schedule: constant, cosine (down to zero over the steps) or one_cycle (up, then down).
        clip: Largest norm of the gradient of all parameters; None: as it is.
        average: Weights are validated and kept as an exponential moving average that forgets by this factor a step; 0: as they are.
        patience: Stop after so many validations without a better one; None: never.
        precision: float32, or bf16-mixed (on CUDA: convolutions in bfloat16, ray transforms in float32).
        validate_every: Steps between validations, each of which also keeps the state.
        time_regularisation: Weight of the change over time of blocks' weights, which `block.shared=false` lets vary.

    Raises:
        InputError: A value is out of range.
    """

    steps: Count = 1000
    batch: Count = 1
    passes: Count = 1
    lr: Positive = 3e-3
    schedule: str = "one_cycle"
    clip: Positive | None = None
    average: float = 0.0
    patience: Count | None = None
    precision: str = "float32"
    validate_every: Count = 100
    time_regularisation: float = 0.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "passes", "patience", "validate_every", "lr", "clip"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise InputError(f"fit.{name}={value}: expected a positive number")
        if self.time_regularisation < 0:
            raise InputError(f"fit.time_regularisation={self.time_regularisation}: expected at least 0")
        if not 0 <= self.average < 1:
            raise InputError(f"fit.average={self.average}: expected at least 0 (no average) and less than 1")
        for name, known in (("schedule", SCHEDULES), ("precision", PRECISION)):
            if getattr(self, name) not in known:
                raise InputError(f"fit.{name}={getattr(self, name)}: expected one of {', '.join(known)}")

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.lr * SCHEDULES[self.schedule](step / self.steps)
