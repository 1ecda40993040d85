"""Somebody else's reconstruction method, as a model: it is measured as it is, and nothing of it is fitted here.

A guest is code, so nothing that is read from a file makes one: the constructor takes the callable itself, which no configuration can hold.
`ctrecon.config.guest` finds it by the name that a person says.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ctrecon.errors import InputError
from ctrecon.models.model import Model
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Image, Sinogram


class Guest(Model):
    """A callable from sinograms to images, in our units, whose images are checked.

    Args:
        geometry: The scan that it was built for.
        name: What it is called in messages.
        reconstruct: From sinograms (B, 1, A, D) in metres to images (B, 1, H, W) of attenuation / mu_max, on the same device. A torch
            module is moved to the device with the model.
    """

    def __init__(self, geometry: Geometry, name: str, reconstruct: Callable[[Sinogram], Image]) -> None:
        super().__init__(geometry)
        self.name, self.reconstruct = name, reconstruct

    @property
    def size(self) -> int | None:
        """How many parameters it has; None: it is no torch module, and nobody knows."""
        return sum(p.numel() for p in self.parameters()) if isinstance(self.reconstruct, nn.Module) else None

    def forward(self, y: Sinogram) -> Image:
        """The guest's images. Raises InputError where the guest fails, or gives something else than finite images on that device."""
        self.geometry.check(y)
        try:
            x = self.reconstruct(y.clone())  # what it does to its argument stays with it
        except Exception as error:  # whatever a stranger's code raises
            raise failed(self.name, f"failed on sinograms of shape {tuple(y.shape)}", error) from error
        expected = (len(y), 1, self.geometry.pixels, self.geometry.pixels)
        if not isinstance(x, Tensor):
            raise InputError(f"guest={self.name}: gave a {type(x).__name__}; expected a tensor of torch, of shape {expected}")
        if tuple(x.shape) != expected or not x.is_floating_point():
            raise InputError(
                f"guest={self.name}: gave {x.dtype} of shape {tuple(x.shape)}; expected floating point of shape {expected}"
            )
        if x.device != y.device:
            raise InputError(f"guest={self.name}: gave images on {x.device}; expected {y.device}, where the sinograms are")
        if not torch.isfinite(x).all():
            raise InputError(f"guest={self.name}: gave NaN or infinite values; expected finite ones")
        return x.to(y.dtype)


def failed(name: str, what: str, error: Exception) -> InputError:
    """What to say of a guest whose code raised an error."""
    said = " ".join(str(error).split())[:200]
    return InputError(f"guest={name}: {what} ({type(error).__name__}{': ' if said else ''}{said})")
