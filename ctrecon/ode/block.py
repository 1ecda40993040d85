"""A block is a layer of a network: it moves features along a vector field for some time, in a few steps of a method."""

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
    """Maps features z(0) to z(time), where z' = f(z), by equal steps of a numerical method.

    Args:
        field: Makes a field f of fresh weights. It is called once, or once a step where fields are not shared.
        integrator: The method that makes the steps, such as Euler's.
        time: How long features flow, without a unit; one step has length h = time / steps.
        steps: Number of steps.
        shared: True: all steps use one field. False: each step has a field of its own, so that the weights are a function of time
            which is constant during a step.

    Attributes:
        nonexpansive: Whether any two features are at most as far apart after the block as before it. It has to hold for every
            image size and for weights while they are trained.
        repeatable: Whether a second forward pass on the same features gives the same result while training. Checkpointing needs it.

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
        """Called at the end of construction: a kind of block checks its parts and builds more. Raises InputError where they do not fit."""

    @property
    def field(self) -> VectorField:
        """The field of the first step."""
        return self.fields[0]

    def plan(self) -> list[Step]:
        """The steps in their order: the field and the length h of each."""
        h = self.time / self.steps
        return [(self.fields[j % len(self.fields)], h) for j in range(self.steps)]

    def forward(self, z: Features) -> Features:
        """The features z(time), (B, C, H, W), of features z(0) of the same shape."""
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
        """How much the weights change over time: the sum over steps j of |theta_(j+1) - theta_j|^2 / h, a scalar with gradients.

        theta_j are the weights of the field of step j, h is the length of a step. Zero where one field serves all steps.

        Source: Ruthotto and Haber (2020), regularisation in time.
        """
        change = torch.zeros(())
        for one, after in zip(self.fields, self.fields[1:], strict=False):
            for a, b in zip(one.parameters(), after.parameters(), strict=True):
                change = change.to(a) + (b - a).square().sum() * self.steps / max(self.time, 1e-30)
        return change
