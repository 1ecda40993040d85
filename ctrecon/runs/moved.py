"""Classes that have moved since run folders and geometry files were written: their configurations still name the old place."""

from typing import Any

MOVED = {
    "ctrecon.fit.Fit": "ctrecon.fitting.fit.Fit",
    "ctrecon.physics.geometry.Fan": "ctrecon.physics.fan.Fan",
    "ctrecon.physics.geometry.Parallel": "ctrecon.physics.parallel.Parallel",
}


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
