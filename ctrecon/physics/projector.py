"""How A and its transpose are computed: a stored sparse matrix.

ASTRA computes the matrix once; A and A^T are both kept in CSR with 32-bit indices, so that either direction is a row-wise sparse
product (fast and bitwise reproducible) and the transpose is exact by construction.

Where a quarter turn permutes the views, ASTRA is asked for the first quarter's worth only and the other rows are that block
with the pixels turned: ASTRA's own halves agree to 6e-5 of the largest entry, these agree exactly.
"""

import warnings
from dataclasses import replace
from functools import lru_cache

import astra
import numpy as np
import scipy.sparse
import torch
from jaxtyping import Float
from odl.applications.tomo.backends.astra_setup import astra_projection_geometry, astra_volume_geometry
from torch import Tensor, nn

from ctrecon.errors import InputError
from ctrecon.physics.geometry import Geometry

# `linear` is the parallel kernel that respects quarter turns; ASTRA has no linear fan kernel.
# Both distance_driven kernels return an empty matrix without an error.
KERNEL = {"parallel": "linear", "fanflat_vec": "line_fanflat"}


class StoredMatrix(nn.Module):
    """The ray transform of a geometry as two CSR matrices. Buffers, so `.to(device)` and `.double()` move them; never saved."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        for name, tensor in zip(("matrix", "transposed"), _stored(geometry), strict=True):
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, columns: Float[Tensor, "pixels B"]) -> Float[Tensor, "rays B"]:
        """A on images as columns (contiguous, the matrix' dtype)."""
        return self.matrix @ columns

    def transpose(self, columns: Float[Tensor, "rays B"]) -> Float[Tensor, "pixels B"]:
        """A^T on sinograms as columns."""
        return self.transposed @ columns


@lru_cache(maxsize=4)
def _stored(geometry: Geometry) -> tuple[Tensor, Tensor]:
    matrix = _assemble(geometry)
    return _to_torch(matrix), _to_torch(matrix.T.tocsr())


def _to_torch(matrix: scipy.sparse.csr_matrix) -> Tensor:
    matrix.sort_indices()
    parts = (torch.from_numpy(matrix.indptr.astype(np.int32)), torch.from_numpy(matrix.indices.astype(np.int32)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")  # only its product is used, and tested
        return torch.sparse_csr_tensor(
            *parts, torch.from_numpy(matrix.data.astype(np.float32)), matrix.shape, check_invariants=False
        )


def _assemble(geometry: Geometry) -> scipy.sparse.csr_matrix:
    """The matrix (A * D, N * N), its quarter-turn symmetry exact where the geometry has one."""
    views, bins = geometry.shape
    try:
        shift = geometry.quarter()
    except InputError:
        return _astra_matrix(geometry)
    step = geometry.step_deg or geometry.arc_deg / views
    quarter = {"views": geometry.view_numbers[:shift], "scan_views": geometry.scan_views or views, "step_deg": step}
    rows = _astra_matrix(replace(geometry, **quarter))
    pixels = np.arange(geometry.pixels**2).reshape(geometry.pixels, -1)
    if geometry.arc_deg == 180:  # bin D-1-j after a half turn is bin j: take the lower half of the detector, mirror it
        lower = np.tile((np.sign(bins - 1 - 2 * np.arange(bins)) + 1) / 2, shift).astype(np.float32)
        mirrored = np.arange(shift * bins).reshape(shift, bins)[:, ::-1].ravel()
        upper = rows[mirrored][:, np.rot90(pixels, 2).ravel()]
        rows = scipy.sparse.diags(lower) @ rows + scipy.sparse.diags(1 - lower) @ upper
        rows.eliminate_zeros()
    blocks = [rows]
    while len(blocks) < views // shift:  # (A rot90 x)[a + shift] = (A x)[a]
        blocks.append(blocks[-1][:, np.rot90(pixels).ravel()])
    return scipy.sparse.vstack(blocks).tocsr()


def _astra_matrix(geometry: Geometry) -> scipy.sparse.csr_matrix:
    """ASTRA's matrix of all views, checked against one direct projection."""
    rays = astra_projection_geometry(geometry.to_odl(), "cpu")
    projector = astra.create_projector(KERNEL[rays["type"]], rays, astra_volume_geometry(geometry.space(), "cpu"))
    handle = astra.projector.matrix(projector)
    try:
        matrix = astra.matrix.get(handle).astype(np.float32)
        x = np.random.default_rng(0).random((geometry.pixels,) * 2, dtype=np.float32)
        y = np.zeros(geometry.shape, dtype=np.float32)
        astra.projector.direct_FP(projector, x, out=y)
        error = np.abs((matrix @ x.ravel()).reshape(y.shape) - y).max()
        if not error <= 1e-4 * np.abs(y).max():
            raise RuntimeError(f"ASTRA's matrix disagrees with its projection by {error:.2g}: is this version of ASTRA supported?")
        return matrix
    finally:
        astra.matrix.delete(handle)
        astra.projector.delete(projector)
