"""The error of the image, which needs the truth."""

from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from ctrecon.errors import InputError
from ctrecon.objective.attempt import Attempt
from ctrecon.objective.objective import Objective

ERRORS = {
    "squared": lambda images, truths: 0.5 * mse_loss(images, truths),
    "absolute": l1_loss,
    "logarithm": lambda images, truths: (images - truths).square().mean((1, 2, 3)).log().mean(),
}


class Supervised(Objective):
    """A mean over the images of f(y) - x.

    Args:
        error: squared, half the mean squared error; absolute, the mean absolute error; or logarithm, the mean over images of the logarithm of
            each one's mean squared error, which is its PSNR up to a factor: images and scans that are harder than others then do not decide
            alone, and a unit does not matter.

    Raises:
        InputError: Another error.
    """

    needs_truth = True

    def __init__(self, error: str = "squared") -> None:
        if error not in ERRORS:
            raise InputError(f"objective.error={error}: expected one of {', '.join(ERRORS)}")
        self.error = error

    def loss(self, attempt: Attempt) -> Tensor:
        return ERRORS[self.error](attempt.image, attempt.x)
