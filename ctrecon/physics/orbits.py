r"""Pixel orbits: which part of a ray transform's matrix has to be stored where the scan is symmetric.

Turns and mirrors of the image that map the scan to itself form a group G of |G| elements (8 for an even parallel scan). An orbit is a
set of pixels that G maps to each other. The column of one pixel of each orbit tells the columns of the others: they hold the same
numbers for other rays. So a matrix with |G| times fewer columns is enough,

    A = S (A_P x I) C,      A^T = C^T (A_P^T x I) S^T,

where P is the list of chosen pixels, one an orbit, and
    A_P   (rays, |P|) are the columns of the chosen pixels,
    x I   is the Kronecker product with the identity of size |G|: A_P is applied to |G| columns at once,
    C     (|P| |G|, N^2) sorts the pixels of an image by (orbit, element of G); it holds a one in each column,
    S     (rays, rays |G|) adds up the |G| sinograms, each with its rays moved back; it holds ones.

A column is A_{i, g p} = A_{j, p} with i the ray that g moves ray j to. The views, too, form orbits, and the rays of one view of each tell
A_P: so what is stored is exactly symmetric, even if what computed those rays is not.
"""

import numpy as np
from scipy.sparse import csr_array

from ctrecon.physics.geometry import Geometry


class Orbits:
    """The orbits of a scan's pixels and views. Pixels and rays are numbered row by row.

    Args:
        geometry: The scan, of N x N pixels, A views and D bins.

    Attributes:
        group: |G|.
        bins: D.
        pixels: Which pixel of an image x stands at each place of the moved image g x, for each g of G, (G, N * N).
        rays: Which ray of the sinogram of x stands at each place of the sinogram of g x, (G, A * D).
        chosen: Pixel numbers, one an orbit, (|P|,).
        views: View numbers, one an orbit.
        hits: How many elements of G move each ray to one of those views, (A * D,).
    """

    def __init__(self, geometry: Geometry) -> None:
        moves = geometry.moves()
        self.group, self.bins = len(moves), geometry.bins
        self.pixels = np.stack([move.pixels(geometry.pixels) for move in moves])
        self.rays = np.stack([move.rays(geometry.bins) for move in moves])
        self.chosen = np.flatnonzero(self.pixels.min(0) == np.arange(self.pixels.shape[1]))
        views = np.stack([move.views for move in moves])
        self.views = np.flatnonzero(views.min(0) == np.arange(views.shape[1]))
        self.hits = np.isin(views, self.views).sum(0).repeat(geometry.bins)

    @property
    def shape(self) -> tuple[int, int]:
        """Of A_P: rays, and chosen pixels."""
        return self.rays.shape[1], len(self.chosen)

    def sort(self, part: int) -> np.ndarray:
        """C, as a list of pixels.

        Args:
            part: How many elements of G are multiplied at once. Places are ordered by (part of the group, orbit, element within the
                part), so that the places of each part make a matrix of their own.

        Returns:
            The pixel that goes to each place, (|P| G,); N * N where another element of G has brought that pixel already.
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
        """S, for those rays `known` whose row of A_P is not empty: (A * D, |known| G)."""
        rays, places = self.rays[:, known], self._places(part, len(known))
        ones = np.ones(places.size, dtype=np.float32)
        return csr_array((ones, (rays.ravel(), places.ravel())), shape=(self.rays.shape[1], places.size))

    def spread(self, part: int, known: np.ndarray) -> np.ndarray:
        """S^T, as the ray that goes to each place, (|known| G,)."""
        taken = np.empty(self.group * len(known), dtype=np.int64)
        taken[self._places(part, len(known))] = self.rays[:, known]
        return taken

    def _places(self, part: int, rows: int) -> np.ndarray:
        """The place of each row of each element of G, (G, rows)."""
        which, within = np.divmod(np.arange(self.group)[:, None], part)
        return (which * rows + np.arange(rows)) * part + within

    def columns(self, rows: csr_array, views: np.ndarray) -> csr_array:
        """What the rays of some of `self.views` contribute to A_P; the contributions of all of these views add up to it.

        Args:
            rows: The matrix of these views alone, with all pixels, (len(views) * D, N * N).
            views: Their numbers.

        Returns:
            A matrix of `shape`.
        """
        entries = rows.tocoo()
        rays = (views[:, None] * self.bins + np.arange(self.bins)).ravel()[entries.row]
        parts = []
        for of_rays, of_pixels in zip(self.rays, self.pixels, strict=True):
            orbit = np.full(self.pixels.shape[1], -1, dtype=np.int32)
            orbit[of_pixels[self.chosen]] = np.arange(len(self.chosen))
            inside = orbit[entries.col] >= 0
            where = np.empty(len(of_rays), dtype=np.int32)
            where[of_rays] = np.arange(len(of_rays))
            row = where[rays[inside]]
            # A ray that several elements bring here brings the same number each time: their mean.
            parts.append((entries.data[inside] / self.hits[row], row, orbit[entries.col[inside]]))
        data, row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        return csr_array((data.astype(np.float32), (row, column)), shape=self.shape)
