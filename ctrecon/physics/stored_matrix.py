"""The ray transform as a stored sparse matrix, one column a pixel orbit (`orbits`).

Both directions are CSR with 32-bit indices, so either is a row-wise sum, bitwise reproducible, and the transpose is exact. A
product with one column waits for the matrix to come from memory; the orbits give it eight columns at once and an eighth of the
matrix, which takes both bounds away for a single image too.
"""

import warnings
from collections.abc import Callable
from functools import lru_cache

import astra
import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from ctrecon.disk import cache
from ctrecon.errors import InputError
from ctrecon.physics.astra_form import plane
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.orbits import Orbits
from ctrecon.physics.projector import Projector

ENTRIES_PER_RAY = 1.2  # per pixel of the image's side; 1.13 to 1.27 were counted
COLUMNS = 32  # of a sparse product at most: more are slower, since they fall out of the processor's cache
IMAGES = 8  # of a batch that are taken at once: their values lie side by side, and are moved together
LARGEST = 8 * 2**31  # bytes that 32-bit indices reach
CHUNK = 2**23  # entries that ASTRA computes at once: bounds the memory while the matrix is made
PARTS = ("starts", "columns", "values", "known")  # that are kept on disk
LAYOUT = 2  # of them: another number makes all anew


class StoredMatrix(Projector):
    """In float32 or float64, on a CPU or a GPU; each direction is made when first asked for, and kept on disk between runs."""

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

    def forward(self, x: Tensor) -> Tensor:
        pad = x.new_zeros(1)

        def product(images: Tensor) -> Tensor:
            sort, matrix, gather = self._factors("forward", len(images))
            columns = _columns([torch.cat([image.flatten(), pad]) for image in images])
            return gather @ self._multiply(matrix, columns.index_select(0, sort))

        return self._by_parts(product, x, self.geometry.shape)

    def transpose(self, y: Tensor) -> Tensor:
        def product(sinograms: Tensor) -> Tensor:
            spread, matrix, place = self._factors("transpose", len(sinograms))
            columns = _columns([sinogram.flatten() for sinogram in sinograms])
            return self._multiply(matrix, columns.index_select(0, spread)).index_select(0, place)

        return self._by_parts(product, y, (self.geometry.pixels,) * 2)

    def describe(self) -> str:
        size = matrix_bytes(self.geometry)
        number = f"{size / 2**30:.2g} GiB" if size >= 2**29 else f"{size / 2**20:.2g} MiB"
        columns = f" of one pixel in {self.group}" if self.group > 1 else ""
        return f"stored matrix{columns}, about {number} for A and as much for its transpose"

    def _by_parts(self, product: Callable[[Tensor], Tensor], batch: Tensor, shape: tuple[int, int]) -> Tensor:
        """The product, which gives columns, of some images at once."""
        images, out = max(IMAGES, COLUMNS // self.group), batch.new_empty(len(batch), shape[0] * shape[1])
        for part, into in zip(batch.split(images), out.split(images), strict=True):
            torch.stack(product(part).unbind(1), out=into)
        return out.unflatten(1, shape)

    def _multiply(self, matrix: Tensor, places: Tensor) -> Tensor:
        """A_P, or its transpose, on the places (G * n, B) of each part of the group: (G * m, B)."""
        images = places.shape[1]
        parts = places.reshape(-1, matrix.shape[1], _part(self.group, images) * images)
        out = places.new_empty(len(parts), matrix.shape[0], parts.shape[2])
        for part, into in zip(parts, out, strict=True):
            torch.addmm(into, matrix, part, beta=0, out=into)  # beta 0: what stands there is not read
        return out.reshape(-1, images)

    def _factors(self, direction: str, images: int) -> tuple[Tensor, ...]:
        key = direction, _part(self.group, images)
        made = self._made.get(key)
        if made is None or (made[1].device, made[1].dtype) != (self.place.device, self.place.dtype):
            factors = _factors(self.geometry, *key)
            made = tuple(f.to(self.place) if f.is_floating_point() else f.to(self.place.device) for f in factors)
            self._made[key] = made
        return made


def _part(group: int, images: int) -> int:
    """How many elements of the group go with so many images into one product."""
    while group > 1 and group * images > COLUMNS:
        group //= 2
    return group


def _columns(flat: list[Tensor]) -> Tensor:
    return torch.stack(flat, dim=1)  # much faster than .T.contiguous() of a batch


def matrix_bytes(geometry: Geometry) -> int:
    """An estimate of what one direction takes, without making it."""
    views, bins = geometry.shape
    return int(8 * ENTRIES_PER_RAY * views * bins * geometry.pixels / len(geometry.moves()))


@lru_cache(maxsize=8)
def _factors(geometry: Geometry, direction: str, part: int) -> tuple[Tensor, Tensor, Tensor]:
    """C, A_P, S of A, or S^T, A_P^T, C^T of its transpose, shared by all who ask in this process."""
    orbits, (matrix, known) = _orbits(geometry), _matrix(geometry, direction)
    if direction == "forward":
        gather = orbits.gather(part, known)
        return _index(orbits.sort(part)), matrix, _tensor(*_arrays(gather), gather.shape)
    return _index(orbits.spread(part, known)), matrix, _index(orbits.place(part))


@lru_cache(maxsize=4)
def _matrix(geometry: Geometry, direction: str) -> tuple[Tensor, np.ndarray]:
    """A_P without its empty rows, or its transpose, and which rays the rows are; from disk where it is kept."""

    def make() -> dict[str, Tensor]:
        if direction == "forward":
            whole = _assemble(geometry, _orbits(geometry))
            known = np.flatnonzero(np.diff(whole.indptr))
            matrix = whole[known]
        else:
            forward, known = _matrix(geometry, "forward")
            parts = (forward.values(), forward.col_indices(), forward.crow_indices())
            matrix = csr_array(tuple(part.numpy() for part in parts), shape=forward.shape).T.tocsr()
        return dict(zip(PARTS, (*_arrays(matrix), _index(known)), strict=True))

    views, bins = geometry.shape
    name = f"{type(geometry).__name__.lower()}_{geometry.pixels}x{geometry.pixels}_{views}x{bins}_{direction}"
    numbers = (LAYOUT, astra.__version__, geometry.fov_m, *((move.quarters, move.mirrored) for move in geometry.moves()))
    *parts, known = map(cache.kept(name, repr(numbers).encode() + geometry.frames().tobytes(), make).get, PARTS)
    shape = len(known), len(_orbits(geometry).chosen)
    return _tensor(*parts, shape if direction == "forward" else shape[::-1]), known.numpy()


@lru_cache(maxsize=1)
def _orbits(geometry: Geometry) -> Orbits:
    return Orbits(geometry)


def _index(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int32))


def _arrays(matrix: csr_array) -> tuple[Tensor, Tensor, Tensor]:
    matrix.sort_indices()
    return _index(matrix.indptr), _index(matrix.indices), torch.from_numpy(matrix.data.astype(np.float32))


def _tensor(starts: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")  # only its product is used, and tested
        return torch.sparse_csr_tensor(starts, columns, values, shape, check_invariants=False)


def _assemble(geometry: Geometry, orbits: Orbits) -> csr_array:
    """A_P from ASTRA's rows of one view of each orbit."""
    a_view = int(ENTRIES_PER_RAY * geometry.bins * geometry.pixels)
    chunks = np.array_split(orbits.views, max(1, len(orbits.views) * a_view // CHUNK))
    total = csr_array(orbits.shape, dtype=np.float32)
    for views in chunks:
        total = total + orbits.columns(_astra_rows(geometry, views), views)
    return total


def _astra_rows(geometry: Geometry, views: np.ndarray) -> csr_array:
    """ASTRA's matrix of some views, checked against one direct projection."""
    kernel, rays, volume = plane(geometry, views)
    projector = astra.create_projector(kernel, rays, volume)
    handle = astra.projector.matrix(projector)
    try:
        matrix = csr_array(astra.matrix.get(handle), dtype=np.float32)
        x = np.random.default_rng(0).random((geometry.pixels,) * 2, dtype=np.float32)
        y = np.zeros(astra.geom_size(rays), dtype=np.float32)
        astra.projector.direct_FP(projector, x, out=y)
        error = np.abs((matrix @ x.ravel()).reshape(y.shape) - y).max()
        if not error <= 1e-4 * np.abs(y).max():
            raise RuntimeError(f"ASTRA's matrix disagrees with its projection by {error:.2g}: is this version of ASTRA supported?")
        return matrix
    finally:
        astra.matrix.delete(handle)
        astra.projector.delete(projector)
