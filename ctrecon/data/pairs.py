"""Pairs of truth and sinogram to train, validate and test on."""

from collections.abc import Sequence
from functools import lru_cache

import torch

from ctrecon.data.augment import UPRIGHT, Pose
from ctrecon.data.collection import Collection
from ctrecon.data.scanner import Scanner, posed
from ctrecon.disk.store import Store
from ctrecon.errors import InputError
from ctrecon.shapes import Image, Sinogram

KEPT = 2**28  # bytes of pairs kept in memory


class Pairs:
    """Pairs of a collection: simulated when first asked for, or measured.

    Args:
        collection: The images.
        rows: The rows that are used.
        scanner: Simulates the sinograms.
        store: Where noise-free sinograms are kept, by index; None: nowhere.
    """

    def __init__(self, collection: Collection, rows: Sequence[int], scanner: Scanner, store: Store | None = None) -> None:
        self.collection, self.scanner, self.rows, self.store = collection, scanner, rows, store
        views, bins = scanner.geometry.shape
        self._kept = lru_cache(maxsize=KEPT // (4 * (scanner.geometry.pixels**2 + views * bins)))(self._scan)

    def __len__(self) -> int:
        return len(self.rows)

    def patient(self, index: int) -> str:
        """Whom pair `index` shows."""
        return self.collection.patient(self.rows[index])

    def patients(self) -> set[str]:
        """All of them."""
        return {self.collection.patient(row) for row in self.rows}

    def check_truth(self, cure: str) -> None:
        """Raises InputError, which ends with the cure, where there are no true images."""
        if not self.collection.has_truth:
            raise InputError(f"data: sinograms without a reference; {cure}")

    def pair(self, index: int, pose: Pose = UPRIGHT, noise: int = 0) -> tuple[Image, Sinogram]:
        """Truth and sinogram of pair `index`.

        Where the scan shares a turn or mirror, the same noisy sinogram is turned or mirrored; else it is simulated anew.

        Args:
            index: Which pair.
            pose: How the object lies.
            noise: Which draw of the noise.

        Raises:
            InputError: A measurement in a pose that its geometry does not share.
        """
        row, move = self.rows[index], self.scanner.move(pose)
        if move is None:
            if self.collection.measured(row, self.scanner.geometry) is not None:
                raise InputError(
                    f"{self.collection.patient(row)} turned by {pose.degrees} degrees: was measured upright, and these views do not share "
                    "that turn: expected turns=[0]"
                )
            image = posed(self.collection.image(row), pose)
            return self.scanner.truth(image), self.scanner.measure(self.scanner.project(image), row, noise)
        x, y, done = self._kept(index, noise == 0)
        return move.of_image(x), move.of_sinogram(y if done else self.scanner.measure(y, row, noise))

    def _scan(self, index: int, noisy: bool) -> tuple[Image, Sinogram, bool]:
        """Truth, sinogram, and whether that is a measurement: it was measured, or, if `noisy`, has draw 0 of the noise."""
        row = self.rows[index]
        image, y = self.collection.image(row), self.collection.measured(row, self.scanner.geometry)
        if y is None:
            simulated = self._project(image, index)
            return self.scanner.truth(image), self.scanner.measure(simulated, row) if noisy else simulated, noisy
        return self.scanner.truth(image), y, True

    def _project(self, image: Image, index: int) -> Sinogram:
        if self.store is None:
            return self.scanner.project(image)
        kept = self.store.get(index)
        if kept is None:
            kept = self.scanner.project(image)[0, 0].numpy()
            self.store.put(index, kept)
        return torch.from_numpy(kept)[None, None]
