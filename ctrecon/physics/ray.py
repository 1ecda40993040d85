"""The ray transform A as a differentiable torch operator."""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from ctrecon.errors import InputError
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.linear import Linear
from ctrecon.physics.projector import Projector
from ctrecon.shapes import Image, Sinogram


class RayTransform(nn.Module):
    """Line integrals of images along the rays of a geometry: `A(x)`, `A.transpose(y)`, `A.norm`.

    The transpose is the plain one, <A x, y> = <x, A^T y> with sums over pixels and rays, exact up to rounding unless the projector
    says otherwise.

    Args:
        geometry: The scan.
        projector: Makes what computes A and A^T, such as the class `StoredMatrix`; None: `Auto`, what suits scan and machine.

    Shapes and units:
        Images (B, 1, H, W) dimensionless, sinograms (B, 1, A, D) in metres. Any float type and memory layout goes in and comes
        out; the product is computed in the operator's own type (float32; float64 after `.double()`, where the projector is a matrix).

    Example:
        >>> import torch
        >>> from ctrecon.physics.parallel import Parallel
        >>> A = RayTransform(Parallel(pixels=32, fov_m=0.2, views=20))
        >>> A(torch.zeros(1, 1, 32, 32)).shape
        torch.Size([1, 1, 20, 46])
    """

    def __init__(self, geometry: Geometry, projector: Callable[[Geometry], Projector] | None = None) -> None:
        super().__init__()
        self.geometry = geometry
        if projector is None:
            from ctrecon.physics.auto import Auto as projector  # loads ASTRA, which filtered back-projection does without
        self.projector = projector(geometry)

    @cached_property
    @torch.no_grad()
    def norm(self) -> float:
        """Largest singular value of A in metres, by power iteration.

        A has no negative entry, so neither has its top singular vector (Perron), and ones reach it.
        """
        x = torch.ones(1, 1, self.geometry.pixels, self.geometry.pixels).to(self.projector.place)
        for _ in range(50):
            x = self.transpose(self(x / x.norm()))
        return x.norm().sqrt().item()

    def forward(self, x: Image) -> Sinogram:
        """A x. Raises InputError where the image is not on this geometry's grid."""
        if x.shape[-2:] != (self.geometry.pixels,) * 2:
            raise InputError(
                f"image is {x.shape[-2]} x {x.shape[-1]}, the geometry's grid {self.geometry.pixels} x {self.geometry.pixels}"
            )
        return Linear.apply(x, self._forward, self._transpose)

    def transpose(self, y: Sinogram) -> Image:
        """A^T y. Raises InputError where the sinogram is not of this geometry."""
        self.geometry.check(y)
        return Linear.apply(y, self._transpose, self._forward)

    def _forward(self, x: Tensor) -> Tensor:
        return self.projector(x.detach()[:, 0].to(self.projector.place.dtype))[:, None].to(x.dtype)

    def _transpose(self, y: Tensor) -> Tensor:
        return self.projector.transpose(y.detach()[:, 0].to(self.projector.place.dtype))[:, None].to(y.dtype)
