"""A block: flow along a field for a time, in a few steps."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ctrecon.errors import InputError
from ctrecon.ode.field import VectorField
from ctrecon.ode.integrator import Integrator, Step
from ctrecon.shapes import Features


class Block(nn.Module):
    """z(0) -> z(time) of z' = f(z), approximated in equal steps.

    Args:
        field: Makes f.
        integrator: The method.
        time: Length of the flow.
        steps: Number of steps.
        shared: One field for all steps; or each step its own, the weights a function of time that is constant in between.

    Raises:
        InputError: No step, a negative time, or a method that does not fit the field.
    """

    def __init__(
        self,
        field: Callable[[], VectorField],
        integrator: Integrator,
        time: int | float = 1.0,
        steps: int = 1,
        shared: bool = True,
    ) -> None:
        super().__init__()
        if steps < 1 or time < 0:
            raise InputError(f"block.steps={steps}, block.time={time}: expected at least one step and a time of at least 0")
        self.integrator, self.time, self.steps = integrator, time, steps
        self.fields = nn.ModuleList(field() for _ in range(1 if shared else steps))
        integrator.check(self.field, steps)
        self.prepare()

    def prepare(self) -> None:
        """What a kind of block does beside. Raises InputError where its parts cannot keep its promise."""

    @property
    def field(self) -> VectorField:
        """The field of the first step."""
        return self.fields[0]

    def plan(self) -> list[Step]:
        """The steps that are made: the field and the length of each."""
        h = self.time / self.steps
        return [(self.fields[j % len(self.fields)], h) for j in range(self.steps)]

    def forward(self, z: Features) -> Features:
        """z(time)."""
        state = self.integrator.flow(self.plan(), self.field.begin(z))
        return self.field.end(state)

    def roughness(self) -> Tensor:
        """sum over steps of |theta_(j+1) - theta_j|^2 / h: how much the weights change over time. 0 where one field serves all.

        Source: Ruthotto and Haber (2020), regularisation in time.
        """
        change = torch.zeros(())
        for one, after in zip(self.fields, self.fields[1:], strict=False):
            for a, b in zip(one.parameters(), after.parameters(), strict=True):
                change = change.to(a) + (b - a).square().sum() * self.steps / max(self.time, 1e-30)
        return change
