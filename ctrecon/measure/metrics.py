"""How good an image is, by named definitions, and how surely.

Every definition changes the number: results carry the name, and tables of different definitions are not compared.

| name   | PSNR peak              | SSIM data range | used by                 |
|--------|------------------------|-----------------|-------------------------|
| maxmin | max - min of the truth | same            | LoDoPaB challenge       |
| fr     | 1                      | 1               | LoDoPaB challenge, "FR" |
| paper  | max of the truth       | 2               | the paper's code        |
| window | on HU in [-1000, 400]  | 1400            | radiology, lung window  |

SSIM is scikit-image's with its default uniform 7 x 7 window.

An image whose truth is constant (an empty slice, as volumes have) has no maxmin range: its PSNR and SSIM are undefined, NaN here, empty in
tables. Such images are left out of means, and counted.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from skimage.metrics import structural_similarity

from ctrecon.errors import InputError
from ctrecon.physics.attenuation import to_hu
from ctrecon.physics.ray import RayTransform
from ctrecon.shapes import Image

Picture = Float[np.ndarray, "H W"]

WINDOW_HU = (-1000.0, 400.0)
SMALLEST = 7  # pixels: SSIM's window
DEFINITIONS: dict[str, Callable[[Picture], tuple[float, float]]] = {  # truth -> PSNR peak, SSIM data range
    "maxmin": lambda truth: (float(np.ptp(truth)), float(np.ptp(truth))),
    "fr": lambda truth: (1.0, 1.0),
    "paper": lambda truth: (float(truth.max()), 2.0),
    "window": lambda truth: (WINDOW_HU[1] - WINDOW_HU[0],) * 2,
}
DEFAULT = "maxmin"


def check_pixels(pixels: int) -> None:
    """Raises InputError where images are too small for the metrics."""
    if pixels < SMALLEST:
        raise InputError(f"geometry.pixels={pixels}: SSIM looks at {SMALLEST} x {SMALLEST} pixels: expected at least {SMALLEST}")


def psnr(x: Picture, truth: Picture, definition: str = DEFAULT) -> float:
    """Peak signal-to-noise ratio in dB; NaN where the truth is constant and the peak zero."""
    x, truth = _seen(x, truth, definition)
    peak, error = DEFINITIONS[definition](truth)[0], float(np.mean((x - truth) ** 2))
    return float(10 * np.log10(peak**2 / max(error, 1e-20))) if peak > 0 else float("nan")


def ssim(x: Picture, truth: Picture, definition: str = DEFAULT) -> float:
    """Structural similarity; NaN where the truth is constant and the data range zero."""
    x, truth = _seen(x, truth, definition)
    data_range = DEFINITIONS[definition](truth)[1]
    return float(structural_similarity(truth, x, data_range=data_range)) if data_range > 0 else float("nan")


def rmse_hu(x: Picture, truth: Picture) -> float:
    """Root mean squared error in Hounsfield units."""
    return float(np.sqrt(np.mean((to_hu(x.astype(np.float64)) - to_hu(truth.astype(np.float64))) ** 2)))


def all_metrics(x: Picture, truth: Picture) -> dict[str, float]:
    """Every metric by its column name: psnr and ssim are of the default definition, others carry theirs."""
    row = {"psnr": psnr(x, truth), "ssim": ssim(x, truth), "rmse_hu": rmse_hu(x, truth)}
    for name in DEFINITIONS:
        if name != DEFAULT:
            row |= {f"psnr_{name}": psnr(x, truth, name), f"ssim_{name}": ssim(x, truth, name)}
    return row


def _seen(x: Picture, truth: Picture, definition: str) -> tuple[Picture, Picture]:
    pair = x.astype(np.float64), truth.astype(np.float64)
    return tuple(np.clip(to_hu(p), *WINDOW_HU) for p in pair) if definition == "window" else pair


def equivariance_error(model: Callable, y: torch.Tensor, turn: Callable) -> float:
    """Largest |model(turn y) - turn model(y)| over the largest |model(y)|, for a quarter turn."""
    x: Image = model(y)
    return ((model(turn(y)) - x.rot90(1, (-2, -1))).abs().max() / x.abs().max()).item()


def transpose_defect(A: RayTransform, seed: int = 0) -> float:
    """|<A x, y> - <x, A^T y>| over |A x| |y| for random x and y, sums in float64."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 1, *(A.geometry.pixels,) * 2, generator=generator).to(A.projector.place.device)
    y = torch.randn(1, 1, *A.geometry.shape, generator=generator).to(A.projector.place.device)
    Ax, ATy = A(x).double(), A.transpose(y).double()
    return (((Ax * y).sum() - (x * ATy).sum()).abs() / (Ax.norm() * y.norm())).item()
