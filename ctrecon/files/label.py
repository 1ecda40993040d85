"""What a file says of the array in it: its unit and the size of a pixel. Each format has a place for that."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctrecon.disk.reading import MOST_TEXT


@dataclass(frozen=True)
class Label:
    """What is known of an array.

    Attributes:
        unit: The word for its unit; None: it does not say.
        pixel_m: Width of a pixel in metres; None: it does not say.
        low: The value that is black in a picture that shows a range of values.
        high: The value that is white.
    """

    unit: str | None = None
    pixel_m: float | None = None
    low: float | None = None
    high: float | None = None

    def text(self) -> str:
        """As JSON, for formats that keep a text."""
        return json.dumps({key: value for key, value in vars(self).items() if value is not None})


SILENT = Label()  # of a file that says nothing


def label_of(said: Any) -> Label:
    """The label in a text or a mapping; what is not one of ours says nothing."""
    if isinstance(said, str):
        try:
            said = json.loads(said) if len(said) <= MOST_TEXT else {}
        except (ValueError, RecursionError):
            return SILENT
    if not isinstance(said, dict):
        return SILENT
    unit = said.get("unit")
    lengths = {name: _number(said.get(name)) for name in ("pixel_m", "low", "high")}
    if not (lengths["pixel_m"] or 0) > 0:
        lengths["pixel_m"] = None
    return Label(unit if isinstance(unit, str) else None, **lengths)


def _number(value: Any) -> float | None:
    try:
        number = float(value) if not isinstance(value, bool | str) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def sidecar_of(path: Path) -> Path:
    """Where the label of a file lies whose format has no place for one."""
    return path.with_name(f"{path.name}.json")


def sidecar(path: Path) -> Label:
    """The label beside a file."""
    beside = sidecar_of(path)
    if not beside.is_file() or beside.stat().st_size > MOST_TEXT:
        return SILENT
    return label_of(beside.read_text(errors="replace"))
