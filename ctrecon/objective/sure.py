r"""Stein's unbiased estimate of the risk.

Of y with independent noise of every ray, a mean u = A x and a deviance d (`physics.noise`; per ray 1/2 in the mean at u),

    E sum_i d(g_i(y), u_i) = E [sum_i d(g_i(y), y_i) - n/2 + trace dg/dy],    g = A f, n rays.

Gaussian noise of variance s^2: d = (g - y)^2 / (2 s^2), and 2 s^2 / n times this is Stein's estimate of the mean squared error. Poisson counts
c = photons exp(-mu_max y): the logarithm turns Hudson's identity E lambda_i h_i(c) = E c_i h_i(c - e_i) into c_i (h_i(c) - h_i(c - e_i)) = dg_i/dy_i,
up to derivatives of second order, and d(g, u) is the Kullback-Leibler divergence, nearly (g - u)^2 weighted by the expected counts. The
trace is estimated with signs b drawn at random, each ray moved by a part of its noise: E b_i (g_i(y + t s b) - g_i(y)) / (t s_i).

Source: Stein, Ann. Statist. 9 (1981) 1135; Ramani, Blu and Unser, IEEE Trans. Image Process. 17 (2008) 1540: the trace; Deledalle, Electron. J.
Statist. 11 (2017) 3141: Poisson counts.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ctrecon.errors import InputError
from ctrecon.objective.attempt import Attempt, Setting
from ctrecon.objective.objective import Objective


class Sure(Objective):
    """An unbiased estimate of the mean over rays of d(A f(y), A x), which sees no x: measurement consistency without learning the noise.

    Args:
        part: By which part of its noise each ray is moved to estimate the trace: small against what the model answers to in another way,
            large against rounding.

    Raises:
        InputError: A part that is not positive.
    """

    def __init__(self, part: int | float = 0.1) -> None:
        if not part > 0:
            raise InputError(f"objective.part={part}: expected a positive number")
        self.part = part

    def check(self, setting: Setting) -> None:
        setting.noise.spread(torch.ones(1, 1, 1, 1))

    def loss(self, attempt: Attempt) -> Tensor:
        return self.risk(attempt).mean()

    def risk(self, attempt: Attempt) -> Float[Tensor, " B"]:
        """The estimate of every sinogram."""
        y, noise = attempt.y, attempt.setting.noise
        signs = attempt.draw.choice([-1.0, 1.0], size=(1, *y.shape[1:]))
        by = self.part * noise.spread(y) * torch.as_tensor(signs).to(y)
        moved = attempt.setting.project(attempt.reconstruct(y + by))
        trace = (moved - attempt.predicted) / by
        return (noise.deviance(attempt.predicted, y) - 0.5 + trace).mean((1, 2, 3))
