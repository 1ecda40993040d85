"""The image explains what was measured."""

from torch import Tensor

from ctrecon.objective.attempt import Attempt
from ctrecon.objective.objective import Objective


class Consistency(Objective):
    """The mean deviance d(A f(y), y) of the rays. Alone it teaches to reconstruct the noise as well."""

    def loss(self, attempt: Attempt) -> Tensor:
        return attempt.setting.deviance(attempt.predicted, attempt.y).mean()
