"""What a file says of the array in it: its unit and the size of a pixel. Each format has a place for that."""

import json
import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ctrecon.disk.reading import MOST_TEXT

CHECKSUM = "crc32"  # in a label that lies beside its file: of the bytes of that


@dataclass(frozen=True)
class Label:
    """What is known of an array.

    Attributes:
        unit: The word for its unit; None: it does not say.
        pixel_m: Width of a pixel in metres; None: it does not say.
        spacing_m: Distance between the middles of two images of a stack that follow each other, in metres; None: it does not say.
        low: The value that is black in a picture that shows a range of values.
        high: The value that is white.
        note: What to say where a label beside the array is that of another one, and not believed.
    """

    unit: str | None = None
    pixel_m: float | None = None
    spacing_m: float | None = None
    low: float | None = None
    high: float | None = None
    note: str | None = None

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
    lengths = {name: _number(said.get(name)) for name in ("pixel_m", "spacing_m", "low", "high")}
    for name in ("pixel_m", "spacing_m"):
        if not (lengths[name] or 0) > 0:
            lengths[name] = None
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


def as_sidecar(label: Label, path: Path) -> bytes:
    """What goes beside a file that is written at that path: the label, and a checksum that tells which file it is the label of."""
    return json.dumps(json.loads(label.text()) | {CHECKSUM: _checksum(path, path.stat().st_mtime_ns, path.stat().st_size)}).encode()


def sidecar(path: Path) -> Label:
    """The label beside a file. Of one with a checksum that the file has not, only a note: the file was replaced and its label left."""
    said = _beside(path)
    checksum = said.get(CHECKSUM)
    if checksum is not None and checksum != _checksum(path, path.stat().st_mtime_ns, path.stat().st_size):
        return Label(note=f"{sidecar_of(path)} is about another version of the file and was not believed")
    return label_of(said)


def is_foreign(path: Path) -> bool:
    """Whether something lies where the label of a file goes and is none, so that it would be lost."""
    beside = sidecar_of(path)
    return beside.exists() and not (beside.is_file() and (beside.stat().st_size == 0 or "unit" in _beside(path)))


def _beside(path: Path) -> dict[str, Any]:
    beside = sidecar_of(path)
    if not beside.is_file() or beside.stat().st_size > MOST_TEXT:
        return {}
    try:
        said = json.loads(beside.read_text(errors="replace"))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


@lru_cache
def _checksum(path: Path, changed_ns: int, size: int) -> int:
    """That of a file's bytes; read once for each version of the file, however many images of a stack are asked for."""
    total = 0
    with path.open("rb") as file:
        while part := file.read(2**20):
            total = zlib.crc32(part, total)
    return total
