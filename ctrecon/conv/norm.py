"""Spectral norm of a convolution on the grid in use, by power iteration on K^T K."""

import torch

from ctrecon.conv.convolution import Convolution


@torch.no_grad()
def spectral_norm(layer: Convolution, shape: tuple[int, int], iterations: int = 100) -> float:
    """||K|| on images of `shape` (H, W). It grows with the grid, towards the largest value of the filter's symbol.

    A lower bound that converges from below; the start is drawn from a fixed seed.
    """
    kernel = layer.filter()
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(1, kernel.shape[1], *shape, generator=generator).to(kernel)
    norm = 0.0
    for _ in range(iterations):
        z = layer.transpose(layer.linear(z / z.norm().clamp(min=1e-30)))
        norm = z.norm().sqrt().item()
    return norm
