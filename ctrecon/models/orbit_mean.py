"""A model made equivariant after training: the mean over the turns of the scan (averaged=true on the command line)."""

import torch

from ctrecon.errors import InputError
from ctrecon.models.fitting import Fitting
from ctrecon.models.model import Model
from ctrecon.shapes import Image, Sinogram


class OrbitMean(Model):
    """The mean over the quarter turns g of g^-1 model(g y): equivariant whatever the model is, at four times the cost.

    Args:
        model: Any model of a scan that has quarter turns.

    Raises:
        InputError: The scan has none.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model.geometry)
        self.model = model
        turns = {move.quarters: move for move in model.geometry.moves() if not move.mirrored}
        if len(turns) < 4:
            raise InputError(f"averaged=true: expected a scan with quarter turns, this one has {len(turns)} of 4")
        self.turns = [turns[quarters] for quarters in range(4)]

    rotations = 4

    @property
    def fitting(self) -> Fitting:
        return self.model.fitting

    def forward(self, y: Sinogram) -> Image:
        images = [self.model(move.of_sinogram(y)).rot90(-move.quarters, (-2, -1)) for move in self.turns]
        return torch.stack(images).mean(0)
