"""The scans that one model learns from."""

import abc
from collections.abc import Sequence
from typing import Any

from ctrecon.errors import InputError
from ctrecon.physics.fan import Fan
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.parallel import Parallel


class Scans(abc.ABC):
    """Which scans they are, given that of the experiment."""

    @abc.abstractmethod
    def geometries(self, own: Geometry) -> list[Geometry]:
        """The scans, at least one, on grids of as many pixels as the experiment's `own`."""


class One(Scans):
    """That of the experiment alone."""

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
        self.kinds = [*((Parallel, one) for one in parallel), *((Fan, one) for one in fan)]

    def geometries(self, own: Geometry) -> list[Geometry]:
        """As said. Raises InputError where an option is unknown or out of range."""
        return [_made(kind, {"pixels": own.pixels, "fov_m": own.fov_m} | options) for kind, options in self.kinds]


def _made(kind: type[Geometry], options: dict[str, Any]) -> Geometry:
    try:
        return kind(**options)
    except TypeError as error:
        raise InputError(f"scans: {kind.__name__.lower()}: {error}") from None
