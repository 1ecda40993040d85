"""Pairs of truth and sinogram to train, validate and test on."""

from functools import lru_cache

import torch

from ctrecon.data.collection import Collection
from ctrecon.data.scanner import Scanner, rotate
from ctrecon.errors import InputError
from ctrecon.shapes import Image, Sinogram

KEPT = 2**30  # bytes of pairs kept in memory


class Pairs:
    """The pairs of one split of a collection, simulated when first asked for.

    Args:
        collection: The images.
        split: train, val or test.
        scanner: Simulates the sinograms.
    """

    def __init__(self, collection: Collection, split: str, scanner: Scanner) -> None:
        self.collection, self.scanner, self.rows = collection, scanner, collection.rows(split)
        views, bins = scanner.geometry.shape
        self._kept = lru_cache(maxsize=KEPT // (4 * (scanner.geometry.pixels**2 + views * bins)))(self._scan)

    def __len__(self) -> int:
        return len(self.rows)

    def patient(self, index: int) -> str:
        """Whom pair `index` shows."""
        return self.collection.patient(self.rows[index])

    def pair(self, index: int, turn: int | float = 0) -> tuple[Image, Sinogram]:
        """Truth and sinogram of pair `index`, the object turned by `turn` degrees counter-clockwise.

        By quarter turns the same noisy sinogram is turned where the geometry allows it; otherwise the scan is simulated anew.
        """
        if turn == 0:
            return self._kept(self.rows[index])
        if turn % 90 == 0:
            x, y = self._kept(self.rows[index])
            quarters = int(turn // 90) % 4
            try:
                return x.rot90(quarters, (-2, -1)), self.scanner.geometry.turn(y, quarters)
            except InputError:
                pass
        image = rotate(self.collection.image(self.rows[index]), turn)
        return self.scanner.scan(image, self.rows[index])

    def batch(self, indices: list[int]) -> tuple[Image, Sinogram]:
        """Several pairs, stacked."""
        images, sinograms = zip(*(self.pair(index) for index in indices), strict=True)
        return torch.cat(images), torch.cat(sinograms)

    def _scan(self, row: int) -> tuple[Image, Sinogram]:
        return self.scanner.scan(self.collection.image(row), row)
