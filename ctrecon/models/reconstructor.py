"""A model for people who call it: arrays of NumPy or torch, one sinogram or a batch, on whatever device they are."""

from typing import TypeVar

import numpy as np
import torch

from ctrecon.errors import InputError
from ctrecon.models.model import Model
from ctrecon.physics.geometry import Geometry

Array = TypeVar("Array", np.ndarray, torch.Tensor)


class Reconstructor:
    """Sinograms to images, with a model in evaluation mode.

    Args:
        model: What reconstructs.
        device: Where it computes.

    Attributes:
        model: The torch module, on sinograms (B, 1, A, D).
        device: Where it computes.

    Example:
        >>> from ctrecon.models.classical import FBP
        >>> from ctrecon.physics.parallel import Parallel
        >>> reconstruct = Reconstructor(FBP(Parallel(pixels=32, fov_m=0.2, views=20)))
        >>> reconstruct(np.zeros((20, 46), np.float32)).shape
        (32, 32)
    """

    def __init__(self, model: Model, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self.model = model.to(self.device).eval()

    @property
    def geometry(self) -> Geometry:
        """The scan that it reconstructs; views and bins are its `shape`."""
        return self.model.geometry

    def on(self, geometry: Geometry) -> "Reconstructor":
        """The same model for another scan. Raises InputError where what it learned belongs to its own."""
        return Reconstructor(self.model.on(geometry), self.device)

    def __call__(self, sinogram: Array) -> Array:
        """The image of a sinogram, or the images of a batch.

        Args:
            sinogram: In metres, views along the rows: (A, D), (B, A, D) or (B, 1, A, D), real numbers of any type.

        Returns:
            Attenuation / mu_max: (H, W), (B, H, W) or (B, 1, H, W), as it came: NumPy for NumPy; for torch on the same device, and
            with gradients where they are on. Of the same type where that is floating point, float32 otherwise.

        Raises:
            InputError: It is no array, of another shape than the geometry's, or holds values that are not finite real numbers.
        """
        if isinstance(sinogram, np.ndarray):
            _check_real(np.issubdtype(sinogram.dtype, np.integer) or np.issubdtype(sinogram.dtype, np.floating), sinogram.dtype)
            kept = sinogram.dtype if np.issubdtype(sinogram.dtype, np.floating) else np.float32
            with torch.no_grad(), np.errstate(over="ignore"):  # what overflows is infinite, and refused
                return self(torch.from_numpy(np.array(sinogram, dtype=np.float32))).numpy().astype(kept)
        if not isinstance(sinogram, torch.Tensor):
            raise InputError(f"a sinogram of type {type(sinogram).__name__}: expected an array of NumPy or a tensor of torch")
        _check_real(not sinogram.is_complex() and sinogram.dtype is not torch.bool, sinogram.dtype)
        if sinogram.ndim not in (2, 3, 4) or (sinogram.ndim == 4 and sinogram.shape[1] != 1):
            views, bins = self.geometry.shape
            raise InputError(f"a sinogram of shape {tuple(sinogram.shape)}: expected ({views}, {bins}), or a batch of those")
        y = sinogram.to(self.device, torch.float32)
        if not y.isfinite().all():
            raise InputError("the sinogram has values that are NaN or infinite; expected finite numbers")
        x = self.model(y.reshape(-1, 1, *y.shape[-2:]))
        kept = sinogram.dtype if sinogram.is_floating_point() else torch.float32
        return x.reshape(*y.shape[:-2], *x.shape[-2:]).to(sinogram.device, kept)


def _check_real(real: bool, dtype: np.dtype | torch.dtype) -> None:
    if not real:
        raise InputError(f"a sinogram of {dtype}: expected real numbers")
