"""How large the scanned square is: as the images say, unless the command says otherwise."""

from collections.abc import Sequence
from typing import Any

from ctrecon.config.compose import identity
from ctrecon.config.experiment import Experiment
from ctrecon.config.make import make
from ctrecon.runs.run import Run

SAME = 1e-3  # sides of images that differ by less, relative to them, are one


def sized(node: dict[str, Any], sides_m: Sequence[float | None], said: bool) -> tuple[dict[str, Any], str]:
    """The configuration of a geometry with the field of view for images of these sides, and what to say of it.

    Args:
        node: The configuration.
        sides_m: The side of each image in metres; None where its file does not say.
        said: Whether the command said the field of view.
    """
    geometry = make("geometry", node)
    fov, known = geometry.fov_m, [side for side in sides_m if side is not None]
    if said:
        return node, f"field of view: {fov:.6g} m, as said"
    other = "geometry.fov_m=METRES says another one"
    if not known:
        return node, f"assumed: the field of view is the geometry's {fov:.6g} m, as no size of a pixel is known; {other}"
    if len(known) < len(sides_m) or max(known) > (1 + SAME) * min(known):
        sizes = f"images of {min(known):.4g} to {max(known):.4g} m" + " and of unknown size" * (len(known) < len(sides_m))
        return node, f"assumed: {sizes} each fill the geometry's field of view of {fov:.6g} m; {other}"
    side = known[0]
    seen = geometry.bins * geometry.bin_m / 2 + abs(geometry.offset_m)
    if node.get("bin_m") and geometry.shadow_m(side / 2) > seen:
        return node, (
            f"assumed: the image of {side:.6g} m is scaled to the geometry's field of view of {fov:.6g} m, since this detector does not "
            f"see more; geometry.fov_m={side:.6g} keeps its size"
        )
    return node | {"fov_m": side}, f"field of view: {side:.6g} m, from the size of a pixel; {other}"


def of_training(values: dict[str, Any], run: Run) -> tuple[dict[str, Any], str | None]:
    """The configuration of a training with the field of view of its images, and what to say of it; None: nothing.

    A run that was begun keeps the one that it has.

    Args:
        values: As `config.sweep.training` gives them: `fov_said` tells whether words said the field of view.
        run: Its folder.
    """
    if values.get("fov_said"):
        return values, None
    if run.begun():
        node = run.config().get("geometry")
        fov = node.get("fov_m") if isinstance(node, dict) else None
        return values | {"geometry": values["geometry"] | ({} if fov is None else {"fov_m": fov})}, None
    sides_m = Experiment(identity(values)).collection.sides_m()
    if sides_m is None:
        return values, None
    node, line = sized(values["geometry"], sides_m, said=False)
    return values | {"geometry": node}, line
