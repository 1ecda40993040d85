"""Which model reconstructs a sinogram where nobody says one: that of the zoo which is for the scan, or a classical one."""

from dataclasses import dataclass

from ctrecon.physics.facts import facts, noise_level
from ctrecon.physics.geometry import Geometry
from ctrecon.runs import zoo
from ctrecon.shapes import Sinogram

ORDER = ("any",)  # the models that are tried, the first that is for the scan is taken; others are controls


@dataclass(frozen=True)
class Choice:
    """A model, and why.

    Attributes:
        run: Its run folder; None: it is classical.
        words: That name it, where it is classical.
        said: Which it is and why, in a line.
    """

    run: str | None
    words: list[str]
    said: str


def choose(geometry: Geometry, y: Sinogram, in_metres: bool) -> Choice:
    """The model for a sinogram of a scan.

    Args:
        geometry: The scan.
        y: The sinogram.
        in_metres: Whether its unit is known: total variation has a weight that belongs to one.
    """
    measured = facts(geometry) | {"noise": noise_level(y)}
    reasons = []
    for name in ORDER:
        if name not in zoo.names():
            continue
        reasons = zoo.card(name).outside(type(geometry).__name__, measured)
        if not reasons:
            said = f"model: {zoo.PREFIX}{name}, which is for this scan; compare it with model=fbp" + " and model=tv" * in_metres
            return Choice(str(zoo.folder(name)), [], said)
    why = f"none of the zoo is for this scan ({'; '.join(reasons)})" if reasons else "the zoo is empty"
    if in_metres:
        return Choice(None, ["model=tv"], f"model: total variation, model=tv, because {why}; compare it with model=fbp")
    return Choice(None, ["model=fbp"], f"model: filtered back-projection, model=fbp, because {why}")
