r"""Stein's unbiased estimate of the risk.

Of y with independent noise of every ray, a mean u = A x and a deviance d (`physics.noise`),

    E sum_i d(g_i(y), u_i) = E sum_i [d(g_i(y), y_i) - s_i(y) / 2 + s_i(g) dg_i/dy_i],    g = A f,

s_i the share that noise has in the variance by which d weighs the ray; without an error of the grid it is 1. Gaussian noise of variance s^2:
d = (g - y)^2 / (2 s^2), and 2 s^2 over the number of rays times this is Stein's estimate of the mean squared error. Counts c = photons
exp(-mu_max y): d is Bregman's divergence of a function phi, linear in the expected counts lambda, so that Hudson's identity
E lambda_i phi'(h_i(c)) = E c_i phi'(h_i(c - e_i)) applies; c_i (phi'(h_i(c)) - phi'(h_i(c - e_i))) = s_i(g) dg_i/dy_i up to derivatives of second order, and
d(g, u) is nearly (g - u)^2 weighted by one over the variance. The sum of derivatives is estimated with signs b drawn at random, each ray moved by
a part t of its noise: E b_i s_i(g) (g_i(y + t spread b) - g_i(y)) / (t spread_i).

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
        setting, y = attempt.setting, attempt.y
        signs = attempt.draw.choice([-1.0, 1.0], size=(1, *y.shape[1:]))
        by = self.part * setting.noise.spread(y) * torch.as_tensor(signs).to(y)
        derivatives = (setting.project(attempt.reconstruct(y + by)) - attempt.predicted) / by
        share, at_least = (setting.noise.share(expected, y, setting.error_m) for expected in (attempt.predicted, y))
        return (setting.deviance(attempt.predicted, y) - at_least / 2 + share * derivatives).mean((1, 2, 3))
