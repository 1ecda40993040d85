"""What has moved since run folders and geometry files were written: their configurations and weights still name the old places."""

import re
from collections.abc import Container
from typing import Any

MOVED = {
    "ctrecon.fit.Fit": "ctrecon.fitting.fit.Fit",
    "ctrecon.physics.geometry.Fan": "ctrecon.physics.fan.Fan",
    "ctrecon.physics.geometry.Parallel": "ctrecon.physics.parallel.Parallel",
}
NETWORK = {"_target_": "ctrecon.models.network.Flow", "_partial_": True}  # of free cells, before there were others
SCANS = {"_target_": "ctrecon.physics.scans.One"}  # before a model could learn from several
OBJECTIVE = {"_target_": "ctrecon.objective.supervised.Supervised"}  # its error was an option of `fit`
STRIP = {"_target_": "ctrecon.conv.strip.regular", "_partial_": True, "kernel": 3}  # before models had features of sinograms


def current(node: Any) -> Any:
    """A configuration, or a part of one, with every class where it is today.

    Example:
        >>> current({"fit": {"_target_": "ctrecon.fit.Fit", "steps": 3}})
        {'fit': {'_target_': 'ctrecon.fitting.fit.Fit', 'steps': 3}}
    """
    if isinstance(node, dict):
        return {
            key: MOVED.get(value, value) if key == "_target_" and isinstance(value, str) else current(value)
            for key, value in node.items()
        }
    return [current(value) for value in node] if isinstance(node, list) else node


def current_run(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a run, with every class and every option where it is today.

    Example:
        >>> current_run({"cell": {"blocks": 2, "skip": 1.0}})["network"]["blocks"]
        2
    """
    config = current(config)
    if isinstance(config.get("conv"), dict) and isinstance(config.get("fit"), dict):
        loss, fit = config["fit"].get("loss", "squared"), {key: value for key, value in config["fit"].items() if key != "loss"}
        added = {"conv": config["conv"] | {"bias": config["conv"].get("bias", True)}, "fit": fit}
        config = {"scans": SCANS, "objective": OBJECTIVE | {"error": loss}} | config | added
    if "network" in config or not isinstance(config.get("cell"), dict):
        return config
    cell, free = config["cell"], "skip" in config["cell"]
    kept = {key: value for key, value in cell.items() if key != "blocks" or not free}
    return config | {"cell": kept, "network": NETWORK | {"blocks": cell.get("blocks", 1) if free else 1}, "strip": STRIP}


def current_name(name: str, known: Container[str]) -> str:
    """The name of a parameter or buffer in today's model, whose names are `known`.

    Example:
        >>> current_name("cells.0.lift.weight", ["cells.0.network.lift.weight"])
        'cells.0.network.lift.weight'
    """
    moved = re.sub(r"^(cells\.\d+)\.", r"\1.network.", name)
    return moved if name not in known and moved in known else name
