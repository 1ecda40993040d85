"""How the parameters of a learned part are drawn before training."""

import abc
import math

import torch

from ctrecon.conv.convolution import Convolution
from ctrecon.models.conjugate_gradients import conjugate_gradients
from ctrecon.models.part import Part
from ctrecon.ode.field import VectorField


class Initialisation(abc.ABC):
    """Draws the parameters of a learned part from torch's global generator."""

    @abc.abstractmethod
    def __call__(self, part: Part) -> None:
        """Set every parameter of the part."""


class Isotropic(Initialisation):
    """The same rule for every family: filters are Gaussian, isotropic within the family's space of filters, their mean square
    1 / fan-in; biases are zero; what each part adds to the reconstruction without it is scaled down to near zero, so that every family starts as the
    same reconstruction. Without it a comparison of families compares their libraries' default initialisations.

    Args:
        gain: That scale.
    """

    def __init__(self, gain: float = 0.001) -> None:
        self.gain = gain

    @torch.no_grad()
    def __call__(self, part: Part) -> None:
        for layer in part.convolutions():
            isotropic_(layer)
        part.scale_correction(self.gain)


class Published(Initialisation):
    """The paper's start: each library's default, the convolutions of residual fields zero.

    Source: published code of Celledoni et al., Inverse Problems 37 (2021) 085006.
    """

    @torch.no_grad()
    def __call__(self, part: Part) -> None:
        for layer in part.convolutions():
            layer.reset_as_published()
        for field in part.modules():
            if isinstance(field, VectorField):
                field.reset_as_published()


class NotDrawn(Initialisation):
    """Parameters as they are made, for a model that is given others."""

    def __call__(self, part: Part) -> None:
        pass


@torch.no_grad()
def isotropic_(layer: Convolution) -> None:
    """Draw the filter as white noise projected onto the layer's space of filters, scaled to mean square 1 / fan-in; bias zero.

    The projection w = (E^T E)^-1 E^T noise, E the map from weight to filter, is found by conjugate gradients: the result does
    not depend on which basis the family happens to use.
    """
    expand = layer.expand
    with torch.enable_grad():  # torch.func.vjp says it shorter, and loads a compiler for seconds
        somewhere = torch.zeros_like(layer.weight, requires_grad=True)
        image = expand(somewhere)
    pull_back = lambda filters: torch.autograd.grad(image, somewhere, filters, retain_graph=True)[0]  # noqa: E731
    projected = pull_back(torch.randn_like(image))
    weight = conjugate_gradients(lambda direction: pull_back(expand(direction)), projected, iterations=100)
    drawn = expand(weight)
    fan_in = math.prod(drawn.shape[1:])
    layer.weight.copy_(weight / (drawn.square().mean() * fan_in).sqrt())
    if layer.bias is not None:
        layer.bias.zero_()
