r"""Filtered back-projection. The geometry says how its rays are weighted and filtered, and where they meet the detector.

Parallel: x(p) = sum_i (h * (w_i y_i))(<p, e_i>). Fan, on the detector scaled to the centre of rotation:
x(p) = sum_i U^{-2} (h * (cos gamma w_i y_i))(t / U), U = 1 + <p, d_i> / source_m. h is the ramp filter, discretised in space
(so that its mean is right) and windowed in frequency; w_i is the angle that a ray of view i stands for (`redundancy`). In both, x(p) sums over views what the ray through p measured: weighted
(`Geometry.ray_weights`), filtered (`ramp`), and read where it meets the detector (`hits`).

Source: Kak and Slaney, Principles of Computerized Tomographic Imaging (1988), sections 3.3 and 3.4.2.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from ctrecon.errors import InputError
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.linear import Linear
from ctrecon.physics.redundancy import is_full_turn
from ctrecon.shapes import Image, Sinogram

WINDOW = {  # of the frequency over the Nyquist frequency, in [0, 1]
    "ram-lak": torch.ones_like,
    "shepp-logan": lambda f: torch.sinc(f / 2),
    "cosine": lambda f: torch.cos(math.pi / 2 * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(math.pi * f),
}
CHUNK = 2**20  # pixels times views interpolated at once: bounds the memory, and is the fastest


class FilteredBackProjection(nn.Module):
    """FBP of sinograms (B, 1, A, D) to images (B, 1, H, W). Linear, differentiable, and without a stored matrix.

    Args:
        geometry: Any parallel beam; a fan beam whose views make a turn or one arc.
        window: One of ram-lak, shepp-logan, cosine, hamming, hann.
        frequency_scaling: Where the window ends, over the Nyquist frequency; beyond is nothing.

    Raises:
        InputError: An unknown window, a scaling out of (0, 1], or a fan beam on several arcs.
    """

    def __init__(self, geometry: Geometry, window: str = "ram-lak", frequency_scaling: int | float = 1.0) -> None:
        super().__init__()
        if window not in WINDOW:
            raise InputError(f"window={window}: expected one of {', '.join(WINDOW)}")
        if not 0 < frequency_scaling <= 1:
            raise InputError(f"frequency_scaling={frequency_scaling}: expected a number above 0, up to 1")
        self.geometry = geometry
        self.beside = _bins_beside(geometry)
        self.register_buffer("weights", torch.tensor(geometry.ray_weights(), dtype=torch.float32), persistent=False)
        self.register_buffer("response", self._ramp(window, frequency_scaling), persistent=False)

    def forward(self, y: Sinogram) -> Image:
        """Reconstruct. Raises InputError where the sinogram is not of this geometry."""
        self.geometry.check(y)
        y = y[:, 0] * self.weights
        filtered = torch.fft.irfft(torch.fft.rfft(y, n=2 * (len(self.response) - 1)) * self.response)
        filtered = filtered.roll(self.beside, -1)[..., : self.geometry.bins + 2 * self.beside]
        # In float64: torch counts positions from the first bin, and float32 would round mirrored ones differently, by 1e-5 of a bin.
        return Linear.apply(filtered[:, None].double(), self._back_project, self._project).to(y.dtype)

    def _back_project(self, filtered: Sinogram) -> Image:
        q, pixels = filtered[:, 0], self.geometry.pixels
        out = q.new_zeros(len(q), pixels, pixels)
        step = max(1, CHUNK // pixels**2 // len(q))
        for first in range(0, q.shape[1], step):
            place, weight = self.geometry.hits(slice(first, first + step), q)
            # Each view is a picture of one row for torch's interpolation, which is zero beside it; -1 and 1 are its outer bins.
            grid = place.new_zeros(*place.shape, 2)
            torch.mul(place, 2 / (q.shape[2] - 1), out=grid[..., 0])
            values = grid_sample(q[:, first : first + step].transpose(0, 1)[:, :, None], grid, align_corners=True)
            out = out + (values if weight is None else values * weight[:, None]).sum(0)
        return out[:, None]

    def _project(self, x: Image) -> Sinogram:
        """The transpose of `_back_project`, by automatic differentiation, which torch's interpolation has in this direction only."""
        q = x.new_zeros(len(x), 1, self.geometry.shape[0], self.geometry.bins + 2 * self.beside, requires_grad=True)
        with torch.enable_grad():
            return torch.autograd.grad(self._back_project(q), q, x)[0]

    def _ramp(self, window: str, scaling: int | float) -> Tensor:
        """Frequency response of the geometry's ramp filter, windowed."""
        length = 2 ** math.ceil(math.log2(2 * (self.geometry.bins + self.beside)))
        ramp = torch.tensor(np.fft.rfft(self.geometry.ramp(np.fft.fftfreq(length, 1 / length))).real)
        frequency = torch.linspace(0, 1, len(ramp), dtype=torch.float64) / scaling
        return (ramp * WINDOW[window](frequency) * (frequency <= 1)).float()


def _bins_beside(geometry: Geometry) -> int:
    """How many bins beyond a shifted detector the image needs: what is filtered there belongs to lines that opposite views complete."""
    if geometry.offset_m == 0 or not is_full_turn(geometry):
        return 0
    reach = geometry.shadow_m(geometry.fov_m / math.sqrt(2) + math.hypot(*geometry.centre_m))
    return max(0, math.ceil((reach + abs(geometry.offset_m)) / geometry.bin_m - geometry.bins / 2))
