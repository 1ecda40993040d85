"""The ray transform as a stored sparse matrix of one column for each orbit of pixels (`orbits`).

A and its transpose are two matrices in compressed rows (CSR) with 32-bit indices. Each result is then a sum along a row: the same to
the last bit each time, and the transpose is exact. A product with a single column would wait for the matrix to come from memory. With
eight symmetries there are eight columns for each image, and an eighth of the matrix.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ctrecon.errors import InputError
from ctrecon.physics.factors import ENTRIES_PER_RAY, factors
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.projector import Projector

COLUMNS = 32  # of a sparse product at most: more are slower, since they fall out of the processor's cache
IMAGES = 8  # of a batch that are multiplied at once: their values lie side by side in memory, and move together
LARGEST = 8 * 2**31  # bytes that 32-bit indices reach


class StoredMatrix(Projector):
    """Stored matrices, in float32 or float64, on a CPU or a GPU. Each direction is made when it is first used, and kept on disk.

    Args:
        geometry: The scan.

    Raises:
        InputError: The matrix would have more entries than 32-bit indices reach.
    """

    symmetric_to, transposed_to = 1e-5, 1e-6

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(geometry)
        self.group = len(geometry.moves())
        if matrix_bytes(geometry) >= LARGEST:
            raise InputError(
                f"projector=matrix: {geometry.shape[0]} views of {geometry.bins} bins and {geometry.pixels} pixels make "
                f"{matrix_bytes(geometry) / 2**30:.0f} GiB; expected less than {LARGEST / 2**30:.0f}, or projector=astra"
            )
        self._made: dict[tuple[str, int], tuple[Tensor, ...]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """A copy takes no matrices along: it finds those of its process, or on the disk."""
        return self.__dict__ | {"_made": {}}

    def forward(self, x: Tensor) -> Tensor:
        return self._by_parts(self._projected, x, self.geometry.shape)

    def transpose(self, y: Tensor) -> Tensor:
        return self._by_parts(self._transposed, y, (self.geometry.pixels,) * 2)

    def _projected(self, images: Tensor) -> Tensor:
        sort, matrix, gather = self._factors("forward", len(images))
        pad = images.new_zeros(1)
        columns = _columns([torch.cat([image.flatten(), pad]) for image in images])
        return gather @ self._multiply(matrix, columns.index_select(0, sort))

    def _transposed(self, sinograms: Tensor) -> Tensor:
        spread, matrix, place = self._factors("transpose", len(sinograms))
        columns = _columns([sinogram.flatten() for sinogram in sinograms])
        return self._multiply(matrix, columns.index_select(0, spread)).index_select(0, place)

    def describe(self) -> str:
        size = matrix_bytes(self.geometry)
        number = f"{size / 2**30:.2g} GiB" if size >= 2**29 else f"{size / 2**20:.2g} MiB"
        columns = f" of one pixel in {self.group}" if self.group > 1 else ""
        return f"stored matrix{columns}, about {number} for A and as much for its transpose"

    def _by_parts(self, product: Callable[[Tensor], Tensor], batch: Tensor, shape: tuple[int, int]) -> Tensor:
        """The products of a whole batch, some images at a time.

        Args:
            product: Takes some elements of the batch, (b, ., .), and returns their results as columns, (shape[0] * shape[1], b).
            batch: (B, ., .).
            shape: Of one result.

        Returns:
            (B, *shape).
        """
        images, out = max(IMAGES, COLUMNS // self.group), batch.new_empty(len(batch), shape[0] * shape[1])
        for part, into in zip(batch.split(images), out.split(images), strict=True):
            torch.stack(product(part).unbind(1), out=into)
        return out.unflatten(1, shape)

    def _multiply(self, matrix: Tensor, places: Tensor) -> Tensor:
        """A_P, or its transpose, times the columns of each part of the group.

        Args:
            matrix: (m, n).
            places: What stands at the places that `orbits` orders, (G * n, B).

        Returns:
            The same of the results, (G * m, B).
        """
        images = places.shape[1]
        parts = places.reshape(-1, matrix.shape[1], _part(self.group, images) * images)
        out = places.new_empty(len(parts), matrix.shape[0], parts.shape[2])
        for part, into in zip(parts, out, strict=True):
            torch.addmm(into, matrix, part, beta=0, out=into)  # beta 0: what stands there is not read
        return out.reshape(-1, images)

    def _factors(self, direction: str, images: int) -> tuple[Tensor, ...]:
        """The three factors of a direction, for so many images, in the type and on the device where this projector is."""
        key = direction, _part(self.group, images)
        made = self._made.get(key)
        if made is None or (made[1].device, made[1].dtype) != (self.place.device, self.place.dtype):
            shared = factors(self.geometry, *key)
            made = tuple(f.to(self.place) if f.is_floating_point() else f.to(self.place.device) for f in shared)
            self._made[key] = made
        return made


def _part(group: int, images: int) -> int:
    """How many elements of the group are multiplied at once with so many images: a product has at most COLUMNS columns."""
    while group > 1 and group * images > COLUMNS:
        group //= 2
    return group


def _columns(flat: list[Tensor]) -> Tensor:
    """Vectors as the columns of a matrix."""
    return torch.stack(flat, dim=1)  # much faster than .T.contiguous() of a batch


def matrix_bytes(geometry: Geometry) -> int:
    """About how many bytes the matrix of one direction takes: 4 for each entry and 4 for its column. Nothing is made for it."""
    views, bins = geometry.shape
    return int(8 * ENTRIES_PER_RAY * views * bins * geometry.pixels / len(geometry.moves()))
