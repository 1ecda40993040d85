"""Several objectives at once."""

from torch import Tensor

from ctrecon.errors import InputError
from ctrecon.objective.attempt import Attempt, Setting
from ctrecon.objective.objective import Objective


class Sum(Objective):
    """A weighted sum. What the model makes of the given sinograms is computed once for all of them.

    Args:
        terms: A pair of weight and objective by name. In a configuration: the options of each, with its class as `_target_` and its `weight`.

    Raises:
        InputError: There is no term.
    """

    def __init__(self, terms: dict) -> None:
        if not terms:
            raise InputError("objective.terms: expected at least one")
        self.terms: dict[str, tuple[int | float, Objective]] = terms

    @property
    def needs_truth(self) -> bool:
        return any(term.needs_truth for _, term in self.terms.values())

    def check(self, setting: Setting) -> None:
        for _, term in self.terms.values():
            term.check(setting)

    def loss(self, attempt: Attempt) -> Tensor:
        return sum(weight * term.loss(attempt) for weight, term in self.terms.values())
