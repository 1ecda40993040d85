"""An exponential moving average of the weights while they are trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """A second set of weights that follows the trained ones: theta_bar <- f theta_bar + (1 - f) theta after each step.

    The factor f of step k is min(forget, k / (k + 10)): small at first, so that the random start is soon gone from the average.

    Args:
        parameters: theta, the weights that the optimiser moves.
        forget: Largest f, in [0, 1); 0: no average, theta_bar is theta.

    Source: Polyak and Juditsky, SIAM J. Control Optim. 30 (1992) 838; the growing f is that of Tarvainen and Valpola,
    arXiv:1703.01780.
    """

    def __init__(self, parameters: list[nn.Parameter], forget: int | float) -> None:
        self._parameters, self._forget, self._steps = parameters, forget, 0
        self._mean = [p.detach().clone() for p in parameters] if forget else []

    @torch.no_grad()
    def update(self) -> None:
        """Move the average, after a step of the optimiser."""
        self._steps += 1
        if self._mean:
            factor = min(self._forget, self._steps / (self._steps + 10))
            torch._foreach_lerp_(self._mean, self._parameters, 1 - factor)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While this lasts, the parameters hold the average; afterwards they hold again what the optimiser made of them."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> tuple[int, list[Tensor]]:
        """What is needed to go on."""
        return self._steps, [mean.cpu() for mean in self._mean]

    def resume(self, state: tuple[int, list[Tensor]]) -> None:
        """Go on from a state."""
        self._steps, means = state
        for mean, kept in zip(self._mean, means, strict=True):
            mean.copy_(kept)

    def _swap(self) -> None:
        for parameter, mean in zip(self._parameters, self._mean, strict=bool(self._mean)):
            parameter.data, mean.data = mean.data, parameter.data
