"""A block: flow along a field for a time, in a few steps."""

from torch import nn

from ctrecon.errors import InputError
from ctrecon.ode.field import VectorField
from ctrecon.ode.integrator import Tableau
from ctrecon.shapes import Features


class Block(nn.Module):
    """z(0) -> z(time) of z' = f(z), approximated in equal steps that share the field's weights.

    Args:
        field: f.
        integrator: The method.
        time: Length of the flow.
        steps: Number of steps.

    Raises:
        InputError: No step, or a negative time.
    """

    def __init__(self, field: VectorField, integrator: Tableau, time: float = 1.0, steps: int = 1) -> None:
        super().__init__()
        if steps < 1 or time < 0:
            raise InputError(f"block.steps={steps}, block.time={time}: expected at least one step and a time of at least 0")
        self.field, self.integrator, self.time, self.steps = field, integrator, time, steps

    def forward(self, z: Features) -> Features:
        """z(time)."""
        for _ in range(self.steps):
            z = self.integrator.step(self.field, z, self.time / self.steps)
        return z
