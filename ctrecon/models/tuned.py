"""Classical models with one number to choose."""

from typing import ClassVar

import torch
from torch import nn

from ctrecon.errors import InputError
from ctrecon.models.fitting import Fitting
from ctrecon.models.model import Model
from ctrecon.physics.ray import RayTransform


class Tuned(Model):
    """A model whose one number, such as a weight, is chosen on validation images: that is its training.

    Args:
        ray: The ray transform.
        number: The number to start with, and to use as it is where nothing is trained.

    Attributes:
        name: What the number is.
        bounds: Where the best one is sought.
        whole: Whether it is a whole number.

    Raises:
        InputError: The number is not positive.
    """

    fitting = Fitting.NUMBER
    name: ClassVar[str]
    bounds: ClassVar[tuple[float, float]]
    whole: ClassVar[bool] = False

    def __init__(self, ray: RayTransform, number: int | float) -> None:
        super().__init__(ray.geometry)
        if not 0 < number < float("inf") or (self.whole and number != int(number)):
            raise InputError(f"model.{self.name}={number}: expected a positive {'whole ' * self.whole}number")
        self.ray = ray
        self.number = nn.Parameter(torch.tensor(float(number)), requires_grad=False)

    def describe(self) -> dict[str, str]:
        return {self.name: f"{self.number.item():.4g}"}
