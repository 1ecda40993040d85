"""Spectral norms: on a given grid by Lanczos' method, and bounded on every grid at once."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ctrecon.conv.convolution import Convolution
from ctrecon.errors import InputError

LinearMap = Callable[[Tensor], Tensor]
TOLERANCE = 1e-5  # of the squared norm, relative


@torch.no_grad()
def top_singular(linear: LinearMap, transpose: LinearMap, z: Tensor, tolerance: float = TOLERANCE) -> tuple[Tensor, float]:
    """The top right singular vector of a linear map, and the norm, by Lanczos' method (ARPACK) from z.

    Power iteration takes hundreds of products where singular values lie close, as those of convolutions on large grids do, and
    those of equivariant ones always; this takes some thirty.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh  # takes a fifth of the time that torch does to load, and few need it

    def square(vector: np.ndarray) -> np.ndarray:
        return transpose(linear(torch.from_numpy(vector.reshape(z.shape)).to(z))).flatten().cpu().double().numpy()

    first = square(z.flatten().cpu().numpy())
    if not np.isfinite(first).all() or not first.any():  # ARPACK takes neither; a map that is zero has every direction
        return z / z.norm(), float(first.sum())
    operator = LinearOperator((z.numel(), z.numel()), matvec=square, dtype=np.float64)
    values, vectors = eigsh(operator, k=1, which="LA", v0=first, tol=tolerance)
    return torch.from_numpy(vectors[:, 0].reshape(z.shape)).to(z), float(np.sqrt(max(values[0], 0)))


def start(layer: Convolution, shape: tuple[int, int]) -> Tensor:
    """Random features of `shape` (H, W) that the layer takes, from a fixed seed."""
    kernel = layer.filter()
    return torch.randn(1, kernel.shape[1], *shape, generator=torch.Generator().manual_seed(0)).to(kernel)


def spectral_norm(layer: Convolution, shape: tuple[int, int]) -> float:
    """||K|| on images of `shape` (H, W). It grows with the grid, towards the largest value of the filter's symbol."""
    return top_singular(layer.linear, layer.transpose, start(layer, shape))[1]


class NormBound(nn.Module):
    """An upper bound of ||K|| on images of every size, within 2 % of the norm on large ones, differentiable in the weights.

    A zero-padded convolution is a compression of the one on the infinite grid, whose norm is the largest singular value of its
    symbol, the filter's Fourier series, over all frequencies. |symbol v|^2 is a trigonometric polynomial of degree k - 1 in each
    direction; sampled at 16 (k - 1) points each, its supremum is at most 1 / cos(pi / 16)^2 times the largest sample. In
    evaluation the samples' singular values are exact, and so is the bound. While training each sample goes on by power iteration
    from the direction of the last call, which is part of the state of a training.

    (Power iteration on the image's own grid, started warm, does not do: where another direction overtakes the one that it follows,
    as happens early in a training, it takes many steps to see that. Measured at a learning rate of 3e-3, a bound h ||K||^2 <= 2 that
    relied on it was passed by up to a factor of 2.3.)

    Args:
        layer: K, on a domain on which its norm is bounded by that on the infinite grid, such as zeros.
        iterations: Power iterations a training step.

    Raises:
        InputError: Another domain.

    Source: Jetter, Pfander and Zimmermann, The crest factor for trigonometric polynomials I (2001), for the factor.
    """

    def __init__(self, layer: Convolution, iterations: int = 2) -> None:
        super().__init__()
        if not layer.domain.bounded:
            raise InputError("norms of convolutions are not bounded on this domain: say conv.padding=zeros")
        self._layer = (layer,)  # not a child: its parameters are another's
        self.iterations = iterations
        reach = layer.filter().shape[-1] - 1
        samples = max(16 * reach, 1)
        self.factor = 1 / math.cos(math.pi / 16)
        where = torch.cartesian_prod(torch.arange(samples), torch.arange(samples // 2 + 1))  # the other half is its conjugate
        points = torch.cartesian_prod(torch.arange(reach + 1), torch.arange(reach + 1))
        phases = torch.exp(-2j * math.pi / samples * (where.double() @ points.double().T)).to(torch.complex64)
        self.register_buffer("phases", phases, persistent=False)
        self.register_buffer("directions", torch.empty(0, dtype=torch.complex64))
        self._known: tuple[Tensor, Tensor] | None = None

    def forward(self) -> Tensor:
        """The bound, a scalar with gradients to the layer's weights while training."""
        layer = self._layer[0]
        if not self.training:
            if self._known is None or not torch.equal(self._known[0], layer.weight):
                with torch.no_grad():
                    norm = self.factor * torch.linalg.matrix_norm(self._symbols(layer.filter()), 2).max()
                self._known = layer.weight.detach().clone(), norm
            return self._known[1]
        kernel = layer.filter()
        with torch.no_grad():
            symbols = self._symbols(kernel)
            v = self.directions[..., None]
            if not len(v):
                v = torch.linalg.svd(symbols, full_matrices=False).Vh[:, :1].mH
            for _ in range(self.iterations):
                v = symbols.mH @ (symbols @ v)
                v = v / torch.linalg.vector_norm(v, dim=1, keepdim=True).clamp(min=1e-30)
            self.directions = v[..., 0]
            top = torch.linalg.vector_norm(symbols @ v, dim=(1, 2)).argmax()
        symbol = kernel.flatten(2).to(self.phases.dtype) @ self.phases[top]
        return self.factor * torch.linalg.vector_norm(symbol @ v[top])

    def _symbols(self, kernel: Tensor) -> Tensor:
        """(F, O, I): the symbol at every sampled frequency, up to a phase."""
        taps = kernel.flatten(2).permute(2, 0, 1)
        return (self.phases @ taps.flatten(1).to(self.phases.dtype)).unflatten(1, taps.shape[1:])
