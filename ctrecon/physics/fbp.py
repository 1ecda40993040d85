r"""Filtered back-projection for parallel and full-turn flat fan beams.

Parallel: x(p) = sum_i w_i (h * y_i)(<p, e_i>). Fan, on the detector scaled to the centre of rotation:
x(p) = 1/2 sum_i w_i U^{-2} (h * (cos gamma y_i))(t / U), U = 1 + <p, d_i> / source_m. h is the ramp filter, discretised in space
(so that its mean is right) and windowed in frequency; w_i is the angle that view i stands for.

Source: Kak and Slaney, Principles of Computerized Tomographic Imaging (1988), sections 3.3 and 3.4.2.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctrecon.errors import InputError
from ctrecon.physics.geometry import Fan, Geometry
from ctrecon.shapes import Image, Sinogram

WINDOW = {  # of the frequency over the Nyquist frequency, in [0, 1]
    "ram-lak": torch.ones_like,
    "shepp-logan": lambda f: torch.sinc(f / 2),
    "cosine": lambda f: torch.cos(math.pi / 2 * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(math.pi * f),
}
CHUNK = 2**22  # pixels times views interpolated at once: bounds the memory


class FilteredBackProjection(nn.Module):
    """FBP of sinograms (B, 1, A, D) to images (B, 1, H, W). Linear, differentiable, and without a stored matrix.

    Args:
        geometry: Parallel beam, or fan beam over a full turn.
        window: One of ram-lak, shepp-logan, cosine, hamming, hann.

    Raises:
        InputError: An unknown window, or a fan beam over less than a full turn.
    """

    def __init__(self, geometry: Geometry, window: str = "ram-lak") -> None:
        super().__init__()
        if window not in WINDOW:
            raise InputError(f"window={window}: expected one of {', '.join(WINDOW)}")
        self.geometry = geometry
        self.scale = geometry.source_m / geometry.detector_m if isinstance(geometry, Fan) else 1.0
        self.register_buffer("weights", torch.tensor(_view_weights(geometry), dtype=torch.float32), persistent=False)
        self.register_buffer("response", self._ramp(window), persistent=False)

    def forward(self, y: Sinogram) -> Image:
        """Reconstruct. Raises InputError where the sinogram is not of this geometry."""
        self.geometry.check(y)
        bins = self.geometry.bins
        y = y[:, 0] * self.weights[:, None]
        if isinstance(self.geometry, Fan):
            u = self.geometry.bin_m * (torch.arange(bins, device=y.device) - (bins - 1) / 2)
            y = y * 0.5 * self.geometry.detector_m / torch.hypot(torch.full_like(u, self.geometry.detector_m), u)
        filtered = torch.fft.irfft(torch.fft.rfft(y, n=2 * (len(self.response) - 1)) * self.response)[..., :bins]
        return self._back_project(filtered)[:, None]

    def _back_project(self, q: Float[Tensor, "B A D"]) -> Float[Tensor, "B H W"]:
        pixels, (views, bins) = self.geometry.pixels, self.geometry.shape
        # A bin of zeros on either side: rays that miss the detector find those.
        q = torch.nn.functional.pad(q, (1, 1))
        out = q.new_zeros(len(q), pixels * pixels)
        step = max(1, CHUNK // pixels**2)
        for first in range(0, views, step):
            part = q[:, first : first + step]
            bin_number, weight = self._hit(slice(first, first + step), q.device)
            low = bin_number.floor()
            fraction = (bin_number - low).to(q.dtype)
            index = low.long() + torch.arange(part.shape[1], device=q.device)[:, None] * (bins + 2)
            flat = part.reshape(len(q), -1)
            values = flat[:, index] * (1 - fraction) + flat[:, index + 1] * fraction
            out = out + (values if weight is None else values * weight.to(q.dtype)).sum(1)
        return out.reshape(len(q), pixels, pixels)

    def _hit(self, views: slice, device) -> tuple[Tensor, Tensor | None]:
        """Where each pixel's ray meets the padded detector, in bins, and its weight; (A, H * W), computed in float64."""
        g = self.geometry
        axis = g.pixel_m * (torch.arange(g.pixels, device=device, dtype=torch.float64) - (g.pixels - 1) / 2)
        row, column = (p.flatten() for p in torch.meshgrid(axis, axis, indexing="ij"))
        angle = torch.tensor(g.angles_rad[views], device=device)[:, None]
        along, weight = row * angle.cos() + column * angle.sin(), None
        if isinstance(g, Fan):
            depth = 1 + (column * angle.cos() - row * angle.sin()) / g.source_m
            along, weight = along / depth / self.scale, depth**-2
        return (along / g.bin_m + (g.bins - 1) / 2 + 1).clamp(0, g.bins + 1 - 1e-9), weight

    def _ramp(self, window: str) -> Tensor:
        """Frequency response of the ramp on the detector scaled to the centre of rotation, including the bin width, in 1/m."""
        bin_m = self.geometry.bin_m * self.scale
        length = 2 ** math.ceil(math.log2(2 * self.geometry.bins))
        n = np.fft.fftfreq(length, 1 / length)
        kernel = np.where(n % 2 == 1, -1 / (np.pi * np.where(n == 0, 1, n)) ** 2, 0.0)
        kernel[0] = 0.25
        ramp = torch.tensor(np.fft.rfft(kernel).real / bin_m)
        return (ramp * WINDOW[window](torch.linspace(0, 1, len(ramp), dtype=torch.float64))).float()


def _view_weights(geometry: Geometry) -> np.ndarray:
    """The angle in radians that each view stands for: half the gaps to its neighbours on the circle of angles (A,).

    A repeated view shares its angle. A gap of more than three times the median is missing data, which no view stands for.
    """
    arc = math.radians(geometry.arc_deg)
    angles = geometry.angles_rad % arc
    order = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[order], append=angles[order][0] + arc)
    missing = gaps > 3 * np.median(gaps) + 1e-9
    if isinstance(geometry, Fan) and missing.any():
        raise InputError(
            f"the views of this fan beam leave out {np.rad2deg(gaps.max()):.3g} degrees: filtered back-projection expects a full turn"
        )
    gaps[missing] = np.median(gaps)
    weights = np.empty_like(gaps)
    weights[order] = (gaps + np.roll(gaps, 1)) / 2
    return weights
