"""Half as many pixels, and back: symmetric about the middle, so that both turn with the image, whatever its size."""

from torch import Tensor
from torch.nn import functional


def pooled(z: Tensor) -> Tensor:
    """Half as many pixels a side, rounded up: means of two on an even side; means of three weighted (1, 2, 1) around every second pixel on an
    odd side, which begins and ends with one."""
    for axis in (2, 3):
        kernel = (2, 1) if axis == 2 else (1, 2)
        if z.shape[axis] % 2:
            beyond = (0, 0, 1, 1) if axis == 2 else (1, 1, 0, 0)
            z = functional.avg_pool2d(functional.pad(z, beyond, mode="replicate"), kernel, stride=1)
        z = functional.avg_pool2d(z, kernel, stride=kernel)
    return z


def enlarged(z: Tensor, shape: tuple[int, int]) -> Tensor:
    """Bilinear interpolation from the pixels of `pooled` to `shape` (H, W)."""
    for axis in (0, 1):
        size = (shape[0], z.shape[3]) if axis == 0 else (z.shape[2], shape[1])
        z = functional.interpolate(z, size, mode="bilinear", align_corners=bool(shape[axis] % 2))
    return z
