"""An objective: a number to be made small, of a model and a pair."""

import abc
from typing import ClassVar

from torch import Tensor

from ctrecon.objective.attempt import Attempt, Setting


class Objective(abc.ABC):
    """The loss of a model on a batch of pairs.

    Attributes:
        needs_truth: Whether it asks for true images. One that does not is given none, and its weights are chosen without them as well.
    """

    needs_truth: ClassVar[bool] = False

    @abc.abstractmethod
    def loss(self, attempt: Attempt) -> Tensor:
        """The loss, a mean over the batch, differentiable in the parameters of the model."""

    def check(self, setting: Setting) -> None:
        """Raises InputError where it does not suit the model, its scan or its noise."""
        return
