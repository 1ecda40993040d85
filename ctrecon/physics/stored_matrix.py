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

from ctrecon.physics import cache
from ctrecon.physics.astra_form import plane
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.orbits import Orbits
from ctrecon.physics.projector import Projector

ENTRIES_PER_RAY = 1.2  # per pixel of the image's side; 1.13 to 1.27 were counted
COLUMNS = 32  # of a sparse product: more are slower, since they fall out of the processor's cache
CHUNK = 2**23  # entries that ASTRA computes at once: bounds the memory while the matrix is made
LAYOUT = 1  # of what is kept on disk


class StoredMatrix(Projector):
    """In float32 or float64, on a CPU or a GPU; each direction is made when first asked for, and kept on disk between runs."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(geometry)
        self._made: dict[str, tuple[Tensor, ...]] = {}

    def forward(self, x: Tensor) -> Tensor:
        sort, matrix, gather = self._factors("forward")
        pad = x.new_zeros(1)

        def product(images: Tensor) -> Tensor:
            columns = torch.stack([torch.cat([image.flatten(), pad]) for image in images], dim=1).index_select(0, sort)
            return gather @ (matrix @ columns.reshape(matrix.shape[1], -1)).reshape(-1, len(images))

        return self._by_parts(product, x, self.geometry.shape)

    def transpose(self, y: Tensor) -> Tensor:
        spread, matrix, place = self._factors("transpose")

        def product(sinograms: Tensor) -> Tensor:
            columns = torch.stack([sinogram.flatten() for sinogram in sinograms], dim=1).index_select(0, spread)
            return (matrix @ columns.reshape(matrix.shape[1], -1)).reshape(-1, len(sinograms)).index_select(0, place)

        return self._by_parts(product, y, (self.geometry.pixels,) * 2)

    def describe(self) -> str:
        size, group = matrix_bytes(self.geometry), len(self.geometry.moves())
        number = f"{size / 2**30:.2g} GiB" if size >= 2**29 else f"{size / 2**20:.2g} MiB"
        columns = f" of one pixel in {group}" if group > 1 else ""
        return f"stored matrix{columns}, about {number} for A and as much for its transpose"

    def _by_parts(self, product: Callable[[Tensor], Tensor], batch: Tensor, shape: tuple[int, int]) -> Tensor:
        """The product, which gives columns, of a few images at once."""
        images = max(1, COLUMNS // len(self.geometry.moves()))
        # torch transposes much faster by stacking than by .T.contiguous().
        return torch.cat([torch.stack(product(part).unbind(1)).unflatten(1, shape) for part in batch.split(images)])

    def _factors(self, direction: str) -> tuple[Tensor, ...]:
        made = self._made.get(direction)
        if made is None or (made[1].device, made[1].dtype) != (self.place.device, self.place.dtype):
            factors = _factors(self.geometry, direction)
            made = tuple(f.to(self.place) if f.is_floating_point() else f.to(self.place.device) for f in factors)
            self._made[direction] = made
        return made


def matrix_bytes(geometry: Geometry) -> int:
    """An estimate of what one direction takes, without making it."""
    views, bins = geometry.shape
    return int(8 * ENTRIES_PER_RAY * views * bins * geometry.pixels / len(geometry.moves()))


@lru_cache(maxsize=4)
def _factors(geometry: Geometry, direction: str) -> tuple[Tensor, Tensor, Tensor]:
    """C, A_P, S of A, or S^T, A_P^T, C^T of its transpose, shared by all who ask in this process."""
    orbits = Orbits(geometry)
    if direction == "forward":
        matrix = _kept(geometry, direction, lambda: _assemble(geometry, orbits), orbits.shape)
        return _index(orbits.sort), matrix, _tensor(*_arrays(orbits.gather).values(), orbits.gather.shape)
    matrix = _kept(geometry, direction, lambda: _transposed(_factors(geometry, "forward")[1]), orbits.shape[::-1])
    return _index(orbits.spread), matrix, _index(orbits.place)


def _index(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int32))


def _kept(geometry: Geometry, direction: str, make, shape: tuple[int, int]) -> Tensor:
    views, bins = geometry.shape
    name = f"{type(geometry).__name__.lower()}_{geometry.pixels}x{geometry.pixels}_{views}x{bins}_{direction}"
    numbers = (LAYOUT, astra.__version__, geometry.fov_m, *((move.quarters, move.mirrored) for move in geometry.moves()))
    arrays = cache.kept(name, repr(numbers).encode() + geometry.frames().tobytes(), lambda: _arrays(make()))
    return _tensor(arrays["starts"], arrays["columns"], arrays["values"], shape)


def _arrays(matrix: csr_array) -> dict[str, Tensor]:
    matrix.sort_indices()
    parts = {"starts": matrix.indptr.astype(np.int32), "columns": matrix.indices.astype(np.int32)}
    return {name: torch.from_numpy(part) for name, part in (parts | {"values": matrix.data.astype(np.float32)}).items()}


def _tensor(starts: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")  # only its product is used, and tested
        return torch.sparse_csr_tensor(starts, columns, values, shape, check_invariants=False)


def _transposed(matrix: Tensor) -> csr_array:
    parts = (matrix.values(), matrix.col_indices(), matrix.crow_indices())
    return csr_array(tuple(part.numpy() for part in parts), shape=matrix.shape).T.tocsr()


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
        y = np.zeros((len(views), geometry.bins), dtype=np.float32)
        astra.projector.direct_FP(projector, x, out=y)
        error = np.abs((matrix @ x.ravel()).reshape(y.shape) - y).max()
        if not error <= 1e-4 * np.abs(y).max():
            raise RuntimeError(f"ASTRA's matrix disagrees with its projection by {error:.2g}: is this version of ASTRA supported?")
        return matrix
    finally:
        astra.matrix.delete(handle)
        astra.projector.delete(projector)
