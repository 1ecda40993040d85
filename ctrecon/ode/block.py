"""A block: flow along a field for a time, in a few steps."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from ctrecon.errors import InputError
from ctrecon.ode.field import VectorField
from ctrecon.ode.integrator import Integrator, Step
from ctrecon.ode.promise import Promise
from ctrecon.shapes import Features


class Block(nn.Module):
    """z(0) -> z(time) of z' = f(z), approximated in equal steps.

    Args:
        field: Makes f.
        integrator: The method.
        time: Length of the flow.
        steps: Number of steps.
        shared: One field for all steps; or each step its own, the weights a function of time that is constant in between.

    Attributes:
        nonexpansive: Whether it brings no two features further apart, on images of any size, while training too.
        repeatable: Whether running it twice while training is the same as running it once.

    Raises:
        InputError: No step, a negative time, or a method that does not fit the field.
    """

    nonexpansive: ClassVar[bool] = False
    repeatable: ClassVar[bool] = True

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

    def promises(self) -> Iterator[Promise]:
        """What its method and its fields promise; each becomes a line of the certificate."""
        yield from self.integrator.promises(self)
        for field in self.fields:
            yield from field.promises(self)

    def lipschitz(self, shape: tuple[int, int]) -> float | None:
        """The Lipschitz constant that theory gives the block on images of `shape` (H, W); None: it gives none."""
        if self.nonexpansive:
            return 1.0
        bound = 1.0
        for field, h in self.plan():
            growth = self.integrator.growth(float(h) * field.rate(shape)) if field.dissipative else None
            if growth is None:
                return None
            bound *= growth
        return bound

    def describe(self, shape: tuple[int, int]) -> str:
        """What flows, in which steps, and how far these are from where they lose stability on images of `shape` (H, W)."""
        plan, fields = self.plan(), "one field for all" if len(self.fields) == 1 else "each its own field"
        rate = max(h * field.rate(shape) for field, h in plan)
        return (
            f"{type(self).__name__} of {type(self.field).__name__}, {self.steps} steps of {max(float(h) for _, h in plan):.3g} "
            f"(order {self.integrator.order}), {fields}; step times Lipschitz constant {rate:.3g} on {shape[0]} x {shape[1]}"
        )

    def roughness(self) -> Tensor:
        """sum over steps of |theta_(j+1) - theta_j|^2 / h: how much the weights change over time. 0 where one field serves all.

        Source: Ruthotto and Haber (2020), regularisation in time.
        """
        change = torch.zeros(())
        for one, after in zip(self.fields, self.fields[1:], strict=False):
            for a, b in zip(one.parameters(), after.parameters(), strict=True):
                change = change.to(a) + (b - a).square().sum() * self.steps / max(self.time, 1e-30)
        return change
