"""A model maps sinograms to images."""

import abc
from typing import ClassVar

from torch import nn

from ctrecon.models.fitting import Fitting
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Image, Sinogram


class Model(nn.Module, abc.ABC):
    """A reconstruction method for one geometry. A classical one is a model without parameters.

    Args:
        geometry: The scan that it reconstructs.

    Attributes:
        fitting: What training chooses of it.
        homogeneous: Whether c times the sinogram gives c times the image, so that data of any unit may go in.
    """

    fitting: Fitting = Fitting.NOTHING
    homogeneous: ClassVar[bool] = False

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry

    @abc.abstractmethod
    def forward(self, y: Sinogram) -> Image:
        """The image of a sinogram. Raises InputError where the sinogram is not of this geometry."""
