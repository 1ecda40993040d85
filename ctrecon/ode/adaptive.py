"""Steps of an error-controlled method, by torchdiffeq (whose only home is here)."""

from torch import Tensor
from torchdiffeq import odeint, odeint_adjoint

from ctrecon.errors import InputError
from ctrecon.ode.field import VectorField
from ctrecon.ode.integrator import Integrator
from ctrecon.shapes import Features


class Adaptive(Integrator):
    """Dormand and Prince's method of order 5, as many inner steps as the tolerances ask for.

    While training, gradients come from the adjoint equation solved backwards in time: memory does not grow with the number of
    inner steps, and the gradient is that of the flow, to the tolerances. In evaluation they go through the solver.

    Args:
        rtol: Relative tolerance.
        atol: Absolute tolerance.

    Raises:
        InputError: A tolerance is not positive.

    Source: Chen et al., Neural ordinary differential equations, NeurIPS 2018.
    """

    order = 5
    homogeneous = False  # the tolerances decide how many inner steps there are

    def __init__(self, rtol: float = 1e-4, atol: float = 1e-5) -> None:
        if not min(rtol, atol) > 0:
            raise InputError(f"integrator.rtol={rtol}, integrator.atol={atol}: expected positive numbers")
        self.options = {"rtol": rtol, "atol": atol, "method": "dopri5"}

    def step(self, field: VectorField, state: Features, h: int | float | Tensor) -> Features:
        if float(h) == 0:
            return state
        times = state.new_tensor([0.0, float(h)])
        right = lambda _, z: field(z)  # noqa: E731
        if field.training:
            return odeint_adjoint(
                right, state, times, adjoint_params=tuple(field.parameters()), adjoint_options={"norm": "seminorm"}, **self.options
            )[-1]
        return odeint(right, state, times, **self.options)[-1]
