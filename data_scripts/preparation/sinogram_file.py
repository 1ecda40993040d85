"""Measured sinograms into the sinogram layout: -log(I / I0), the scan's geometry, and reconstructions where there are any."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from ctrecon.physics.fan import Fan
from preparation.card import Card
from preparation.row_file import growing


@dataclass(frozen=True)
class Scan:
    """One measurement.

    Attributes:
        patient: Name of the object.
        sinogram: -log(I / I0), views along the rows.
        reference: Attenuation in 1/m on the geometry's grid, or None.
    """

    patient: str
    sinogram: np.ndarray
    reference: np.ndarray | None


def geometry_text(values: dict[str, Any]) -> str:
    """A fan beam in the form of conf/geometry. Raises InputError where it is none."""
    Fan(**values)
    return yaml.safe_dump({"_target_": "ctrecon.physics.fan.Fan", **values}, sort_keys=False)


def write(
    card: Card, options: Namespace, geometry: dict[str, Any], referenced: bool, items: dict[str, Any], read: Callable[[Any], Scan]
) -> None:
    """Write the scans of items, all of one geometry and all with or all without a reference, to `options.out`."""
    text, shape = geometry_text(geometry), Fan(**geometry).shape
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {"sinogram": ("<f4", shape)}
    if referenced:
        arrays["reference"] = ("<f4", (geometry["pixels"],) * 2)

    def rows(item: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        scan = read(item)
        return {"sinogram": scan.sinogram, "reference": scan.reference}, {"patient": scan.patient}

    with growing(options.out, card, arrays, items) as file:
        file.fill(rows)
        units = {"sinogram": "log", "reference": "attenuation"}
        file.finish({"geometry": text}, {name: units[name] for name in arrays})
