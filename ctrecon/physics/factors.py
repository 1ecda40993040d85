"""Making the factors of a stored matrix (`orbits` defines them), and keeping what takes long on disk."""

import warnings
from functools import lru_cache

import astra
import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from ctrecon.disk import cache
from ctrecon.physics.astra_form import plane
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.orbits import Orbits

ENTRIES_PER_RAY = 1.2  # per pixel of the image's side; 1.13 to 1.27 were counted
CHUNK = 2**23  # entries that ASTRA computes at once: bounds the memory while the matrix is made
PARTS = ("starts", "columns", "values", "known")  # of a matrix on disk: the three arrays of CSR, and which rays its rows are
LAYOUT = 2  # of the parts on disk: with another number, no matrix from before is read


@lru_cache(maxsize=8)
def factors(geometry: Geometry, direction: str, part: int) -> tuple[Tensor, Tensor, Tensor]:
    """The factors of A from right to left: C, A_P, S; or those of its transpose: S^T, A_P^T, C^T. (`orbits` defines them.)

    C, C^T and S^T are index lists. Everybody in this process who asks for the same scan gets the same tensors.

    Args:
        geometry: The scan.
        direction: forward, or transpose.
        part: How many elements of the group are multiplied at once.
    """
    orbits, (matrix, known) = _orbits(geometry), _matrix(geometry, direction)
    if direction == "forward":
        gather = orbits.gather(part, known)
        return _index(orbits.sort(part)), matrix, _tensor(*_arrays(gather), gather.shape)
    return _index(orbits.spread(part, known)), matrix, _index(orbits.place(part))


@lru_cache(maxsize=4)
def _matrix(geometry: Geometry, direction: str) -> tuple[Tensor, np.ndarray]:
    """A_P without its empty rows, or its transpose, and the ray numbers of its rows; from disk where it is kept."""

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
    """A_P, (rays, |P|), from ASTRA's rows of one view of each orbit, some views at a time."""
    a_view = int(ENTRIES_PER_RAY * geometry.bins * geometry.pixels)
    chunks = np.array_split(orbits.views, max(1, len(orbits.views) * a_view // CHUNK))
    total = csr_array(orbits.shape, dtype=np.float32)
    for views in chunks:
        total = total + orbits.columns(_astra_rows(geometry, views), views)
    return total


def _astra_rows(geometry: Geometry, views: np.ndarray) -> csr_array:
    """ASTRA's matrix of some views, (len(views) * D, N * N), checked against one direct projection.

    Raises:
        RuntimeError: They differ: some of ASTRA's kernels give an empty matrix without an error.
    """
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
