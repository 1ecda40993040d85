"""The ray transform as ASTRA computes it ray by ray: no memory, for scans whose matrix is too large or used once."""

import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import product
from typing import NamedTuple

import astra
import numpy as np
import torch
from torch import Tensor

from ctrecon.physics.astra_form import plane
from ctrecon.physics.projector import Projector


class Arc(NamedTuple):
    """Views that one thread takes: ASTRA's projector of them, and where they are in the sinogram."""

    projector: int
    views: slice


class MatrixFree(Projector):
    """ASTRA's CPU projection and its transpose, in float32; threads share images and arcs of views.

    The transpose is exact up to rounding; quarter turns are respected to 1e-4 or so of the largest value, as ASTRA does.
    """

    symmetric_to, transposed_to = 1e-4, 1e-3

    def forward(self, x: Tensor) -> Tensor:
        images = _array(x)
        out = np.empty((len(x), *self.geometry.shape), dtype=np.float32)
        self._each(
            len(x),
            lambda image, arc: astra.projector.direct_FP(arc.projector, images[image], out=self._detectors(out[image, arc.views])),
        )
        return torch.from_numpy(out).to(x)

    def transpose(self, y: Tensor) -> Tensor:
        sinograms = _array(y)
        parts = {arc.projector: np.empty((len(y), *(self.geometry.pixels,) * 2), dtype=np.float32) for arc in self._arcs}
        self._each(
            len(y),
            lambda image, arc: astra.projector.direct_BP(
                arc.projector, self._detectors(sinograms[image, arc.views]), out=parts[arc.projector][image]
            ),
        )
        return torch.from_numpy(sum(parts.values())).to(y)

    def describe(self) -> str:
        return "ASTRA ray by ray, nothing stored"

    def _detectors(self, views: np.ndarray) -> np.ndarray:
        """Views of a sinogram as the detectors that ASTRA knows: more than one a view where they are given in pieces."""
        return views.reshape(-1, self._bins)

    @cached_property
    def _bins(self) -> int:
        return self.geometry.beam().bins

    @cached_property
    def _arcs(self) -> list[Arc]:
        arcs = []
        for views in np.array_split(np.arange(self.geometry.shape[0]), min(torch.get_num_threads(), self.geometry.shape[0])):
            projector = astra.create_projector(*plane(self.geometry, views))
            weakref.finalize(self, astra.projector.delete, projector)
            arcs.append(Arc(projector, slice(views[0], views[-1] + 1)))
        return arcs

    def _each(self, images: int, work: Callable[[int, Arc], None]) -> None:
        pairs = list(product(range(images), self._arcs))
        if len(pairs) == 1:  # a thread takes longer to start than a small scan to project
            work(*pairs[0])
            return
        # ASTRA lets other Python threads run while it computes.
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(lambda pair: work(*pair), pairs))


def _array(batch: Tensor) -> np.ndarray:
    return np.ascontiguousarray(batch.detach().cpu().numpy(), dtype=np.float32)
