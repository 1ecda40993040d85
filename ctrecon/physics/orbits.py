r"""Pixel orbits: what has to be known of a matrix that a symmetry group maps to itself.

Under the group G of turns and mirrors that a scan shares (`symmetry`), the column of pixel g p is that of pixel p with its rays
moved: A_{i, g p} = A_{pi_g^-1(i), p}. So the columns of P, one pixel of each orbit, are enough, |G| times fewer (8 for an even
parallel scan):

    A = S (A_P x I_G) C,      A^T = C^T (A_P^T x I_G) S^T      (x: Kronecker product)

C sorts pixels by (orbit, g), A_P is applied to |G| columns at once, S adds up the |G| sinograms, moved back; C and S hold ones. The
rays of one view of each orbit of views tell A_P, so the symmetry of A is exact whatever that of its maker is.
"""

import numpy as np
from scipy.sparse import csr_array

from ctrecon.physics.geometry import Geometry


class Orbits:
    """The orbits of a scan's pixels and views. Pixels and rays are numbered row by row.

    Args:
        geometry: The scan.
    """

    def __init__(self, geometry: Geometry) -> None:
        moves = geometry.moves()
        self.group, self.bins = len(moves), geometry.bins
        self.pixels = np.stack([move.pixels(geometry.pixels) for move in moves])  # (G, N * N): pixel g p
        self.rays = np.stack([move.rays(geometry.bins) for move in moves])  # (G, A * D): ray pi_g(i)
        self.chosen = np.flatnonzero(self.pixels.min(0) == np.arange(self.pixels.shape[1]))  # P
        views = np.stack([move.views for move in moves])
        self.views = np.flatnonzero(views.min(0) == np.arange(views.shape[1]))  # one of each orbit of views
        # How many g take each ray to one of those views.
        self.hits = np.isin(views, self.views).sum(0).repeat(geometry.bins)

    @property
    def shape(self) -> tuple[int, int]:
        """Of A_P: rays, and orbits of pixels."""
        return self.rays.shape[1], len(self.chosen)

    def sort(self, part: int) -> np.ndarray:
        """C, as the pixel that each of (|P| G) places takes; N * N, one too many, where an earlier g has taken it already.

        Places are ordered by (part of the group, orbit, g within its part), so that each part is a matrix of its own.
        """
        place = self.place(part)
        taken = np.full(self.group * len(self.chosen), len(place))
        taken[place] = np.arange(len(place))
        return taken

    def place(self, part: int) -> np.ndarray:
        """C^T, as the place of each pixel, (N * N,)."""
        first = np.unique(self.pixels[:, self.chosen].T, return_index=True)[1]
        orbit, g = np.divmod(first, self.group)
        return self._places(part, len(self.chosen))[g, orbit]

    def gather(self, part: int, known: np.ndarray) -> csr_array:
        """S, (A * D, |known| G), for the rays `known` that have a row of A_P that is not empty."""
        rays, places = self.rays[:, known], self._places(part, len(known))
        ones = np.ones(places.size, dtype=np.float32)
        return csr_array((ones, (rays.ravel(), places.ravel())), shape=(self.rays.shape[1], places.size))

    def spread(self, part: int, known: np.ndarray) -> np.ndarray:
        """S^T, as the ray that each of (|known| G) places takes."""
        taken = np.empty(self.group * len(known), dtype=np.int64)
        taken[self._places(part, len(known))] = self.rays[:, known]
        return taken

    def _places(self, part: int, rows: int) -> np.ndarray:
        """Where row i of element g is, (G, rows)."""
        which, within = np.divmod(np.arange(self.group)[:, None], part)
        return (which * rows + np.arange(rows)) * part + within

    def columns(self, rows: csr_array, views: np.ndarray) -> csr_array:
        """What the rows of some of `views` contribute to A_P, where those of all views add up to it.

        Args:
            rows: The matrix of these views, (len(views) * D, N * N).
            views: Their numbers.
        """
        entries = rows.tocoo()
        rays = (views[:, None] * self.bins + np.arange(self.bins)).ravel()[entries.row]
        parts = []
        for of_rays, of_pixels in zip(self.rays, self.pixels, strict=True):
            orbit = np.full(self.pixels.shape[1], -1, dtype=np.int32)
            orbit[of_pixels[self.chosen]] = np.arange(len(self.chosen))  # A_{pi_g(i), g p} = A_{i, p}
            inside = orbit[entries.col] >= 0
            where = np.empty(len(of_rays), dtype=np.int32)
            where[of_rays] = np.arange(len(of_rays))
            row = where[rays[inside]]
            parts.append((entries.data[inside] / self.hits[row], row, orbit[entries.col[inside]]))
        data, row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        return csr_array((data.astype(np.float32), (row, column)), shape=self.shape)
