"""A journal: what was done, an entry a line, each line with its checksum, so that damage is told from what was torn by a kill."""

import json
import zlib
from pathlib import Path
from typing import Any

from ctrecon.errors import InputError


def line_of(entry: dict[str, Any]) -> str:
    """The line of an entry: its CRC-32 and itself as JSON."""
    text = json.dumps(entry)
    return f"{zlib.crc32(text.encode()):08x} {text}\n"


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of a journal, none where there is no file. What follows the last end of a line was torn and does not count.

    Raises:
        InputError: A line is damaged, or was written by an earlier version.
    """
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    for number, line in enumerate(lines, 1):
        checksum, _, text = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(text):
            raise damaged(path, number, len(lines))
    return [json.loads(line.partition(b" ")[2]) for line in lines]


def damaged(path: Path, number: int, lines: int) -> InputError:
    """What to say of a line that is not what was written, or whose row is not."""
    return InputError(
        f"{path}: line {number} of {lines}, or its row, is damaged or of an earlier version; remove that line and all after it and "
        f"start again to go on from there, or remove {path.parent} to begin anew"
    )
