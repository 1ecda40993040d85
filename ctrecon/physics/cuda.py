"""The ray transform on ASTRA's CUDA kernels.

Parallel beam: the batch is a stack of slices that one call projects. Fan beam: a call an image. Nothing is copied. ASTRA's
back-projection is *not* the transpose of its projection there (its own tests allow a tenth); a stored matrix on the GPU is an
exact alternative.
"""

import weakref
from collections.abc import Callable

import astra
import torch
from torch import Tensor

from ctrecon.errors import InputError
from ctrecon.physics.astra_form import stack, stacks
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.projector import Projector


class Cuda(Projector):
    """ASTRA's CUDA projection and back-projection, in float32. Its use raises InputError where there is no CUDA."""

    symmetric_to, transposed_to = 1e-4, None

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(geometry)
        self._projectors: dict[int, int] = {}  # by the number of slices
        self._stacks, self._bins = stacks(geometry), geometry.beam().bins  # of a detector: fewer where it is given in pieces

    def forward(self, x: Tensor) -> Tensor:
        views, bins = self.geometry.shape
        out = x.new_empty(len(x), views * bins // self._bins, self._bins, dtype=torch.float32)
        return self._run(astra.projector3d.direct_FP, x, out).reshape(-1, views, bins)

    def transpose(self, y: Tensor) -> Tensor:
        out = y.new_empty(len(y), *(self.geometry.pixels,) * 2, dtype=torch.float32)
        return self._run(astra.projector3d.direct_BP, y.reshape(len(y), -1, self._bins), out)

    def describe(self) -> str:
        return "ASTRA on CUDA, nothing stored; its back-projection is not the exact transpose"

    def _run(self, operation: Callable, batch: Tensor, out: Tensor) -> Tensor:
        if not (torch.cuda.is_available() and astra.use_cuda()):
            raise InputError("projector=cuda: torch or ASTRA finds no CUDA device; expected one, or projector=auto")
        if batch.device.type != "cuda":
            raise InputError(f"projector=cuda: the data is on {batch.device.type}; expected device=cuda, or projector=auto")
        given = batch.detach().float().contiguous()
        slices = len(batch) if self._stacks else 1
        # ASTRA works on streams of its own: what it reads has to be there, and what it writes, before torch goes on.
        torch.cuda.synchronize(batch.device)
        with torch.cuda.device(batch.device):
            astra.set_gpu_index(batch.device.index or 0)
            for part, into in zip(given.split(slices), out.split(slices), strict=True):
                operation(self._projector(slices), part, out=into)
        torch.cuda.synchronize(batch.device)
        return out.to(batch.dtype)

    def _projector(self, slices: int) -> int:
        if slices not in self._projectors:
            self._projectors[slices] = astra.create_projector(*stack(self.geometry, slices))
            weakref.finalize(self, astra.projector3d.delete, self._projectors[slices])
        return self._projectors[slices]
