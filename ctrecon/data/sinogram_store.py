"""Where the simulated sinograms of an experiment are kept between runs."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ctrecon.disk.cache import ROWS, entry, limit, make_room
from ctrecon.disk.store import Store
from ctrecon.physics.geometry import Geometry

VERSION = 1  # of how an image becomes a noise-free sinogram


def sinogram_store(source: dict[str, Any], split: str, number: int, geometry: Geometry, projector: dict[str, Any]) -> Store | None:
    """The store of a split's noise-free sinograms, shared by all runs that scan the same images alike; None: too large to keep.

    Args:
        source: Configuration of the collection.
        split: train, val or test.
        number: How many images of the split are used.
        geometry: The scan, on the grid on which it is simulated.
        projector: Configuration of what computes it.
    """
    views, bins = geometry.shape
    if 4 * (1 + views * bins) * number > limit():
        return None
    described = json.dumps([VERSION, source, _fingerprint(source.get("file")), split, repr(geometry), projector], default=str)
    path = entry(f"sinograms_{split}_{views}x{bins}", described.encode(), ROWS)
    with suppress(OSError):
        if path.is_file():
            path.touch()  # used just now
        make_room(path)
    return Store(path, (views, bins))


def _fingerprint(file: str | None) -> list[tuple[str, int, int]]:
    """What changes when a file, or any file of a folder, does."""
    if file is None:
        return []
    path = Path(file).resolve()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
