"""The scans that one model learns from."""

import abc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ctrecon.errors import InputError
from ctrecon.physics.fan import Fan
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.parallel import Parallel


class Scans(abc.ABC):
    """Which scans they are, given that of the experiment, and which of them comes at which step."""

    @abc.abstractmethod
    def geometries(self, own: Geometry) -> list[Geometry]:
        """The scans, at least one; `own` is the experiment's."""

    def of_step(self, step: int, steps: int, seed: int) -> int:
        """The number of the scan from which a step of a training of so many steps learns: drawn evenly, from seed and step alone."""
        return int(np.random.default_rng([seed, 2, step]).integers(self.count)) if self.count > 1 else 0

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """How many there are."""

    @property
    def judged(self) -> range:
        """The numbers of those by whose validation pairs weights are chosen."""
        return range(self.count)


class One(Scans):
    """That of the experiment alone."""

    count = 1

    def geometries(self, own: Geometry) -> list[Geometry]:
        return [own]


class Several(Scans):
    """Scans by what distinguishes them; pixels and field of view are those of the experiment where nothing else is said.

    Args:
        parallel: Options of parallel scans, such as {views: 20} or {views: 60, step_deg: 2.0}.
        fan: Options of fan scans.

    Raises:
        InputError: There is none.
    """

    def __init__(self, parallel: Sequence[dict] = (), fan: Sequence[dict] = ()) -> None:
        if not parallel and not fan:
            raise InputError("scans: expected at least one, under parallel or fan")
        self._kinds = [*((Parallel, one) for one in parallel), *((Fan, one) for one in fan)]

    def geometries(self, own: Geometry) -> list[Geometry]:
        """As said. Raises InputError where an option is unknown or out of range."""
        return [_made(kind, {"pixels": own.pixels, "fov_m": own.fov_m} | options) for kind, options in self._kinds]

    @property
    def count(self) -> int:
        return len(self._kinds)


class CoarseToFine(Scans):
    """The experiment's own scan, first on coarser grids: what small images teach, in a fraction of the time, large ones refine.

    Args:
        pixels: Of the coarser grids, from the coarsest on.
        steps: Parts of all steps that are spent on them; the rest is spent on the experiment's own grid.

    Raises:
        InputError: Another number of parts than of grids, or parts that leave nothing.

    Source: Haber, Ruthotto, Holtham and Jun, Learning across scales, AAAI 2018.
    """

    def __init__(self, pixels: Sequence[int], steps: Sequence[int | float]) -> None:
        if len(pixels) != len(steps) or min(steps, default=0) < 0 or sum(steps) >= 1:
            raise InputError(
                f"scans.pixels={list(pixels)}, scans.steps={list(steps)}: expected a part of the steps for each, less than 1 in all"
            )
        self.pixels, self.ends = pixels, np.cumsum(steps)

    @property
    def count(self) -> int:
        return len(self.pixels) + 1

    @property
    def judged(self) -> range:
        return range(self.count - 1, self.count)

    def of_step(self, step: int, steps: int, seed: int) -> int:
        return int(np.searchsorted(self.ends, step / steps, side="right"))

    def geometries(self, own: Geometry) -> list[Geometry]:
        """The same rays on each grid. Raises InputError where one is not coarser than the experiment's."""
        if any(pixels >= own.pixels for pixels in self.pixels):
            raise InputError(f"scans.pixels={list(self.pixels)}: expected less than the {own.pixels} of geometry.pixels")
        return [*(replace(own, pixels=pixels) for pixels in self.pixels), own]


def _made(kind: type[Geometry], options: dict[str, Any]) -> Geometry:
    try:
        return kind(**options)
    except TypeError as error:
        raise InputError(f"scans: {kind.__name__.lower()}: {error}") from None
