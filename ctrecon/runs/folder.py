"""A folder of files that appear whole or not at all, with one writer at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from ctrecon.disk.atomic import write_text
from ctrecon.disk.table import as_csv, from_csv
from ctrecon.errors import InputError

PATIENCE_S = 1.0  # how long a lock is waited for: `status` looks at it for a moment


class Folder:
    """Tables and JSON files in a folder. A lock, which dies with its process, keeps a second writer out.

    Args:
        path: The folder.
    """

    cure = "run the command that writes it again"  # what to do about a file that is missing or damaged

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other writers out. Raises InputError where another process writes to the folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(self / ".lock", timeout=PATIENCE_S):
                yield
        except filelock.Timeout:
            raise InputError(
                f"{self.path}: another process is writing to this folder; wait for it, or choose another one"
            ) from None

    def busy(self) -> bool:
        """Whether a process writes to the folder now."""
        try:
            with filelock.FileLock(self / ".lock", timeout=0):
                return False
        except filelock.Timeout:
            return True
        except OSError:  # a folder that cannot be written to
            return False

    def write_rows(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Write a table."""
        write_text(self / name, as_csv(rows))

    def read_rows(self, name: str) -> list[dict[str, str]]:
        """A table's rows. Raises InputError where it is missing or damaged."""
        rows = from_csv(self._text(name), self / name)
        if any(None in row or None in row.values() for row in rows):
            raise InputError(f"{self / name}: damaged (rows of different lengths); {self.cure}")
        return rows

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file, which cannot hold what is not a finite number."""
        write_text(self / name, json.dumps(content, indent=2, allow_nan=False) + "\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file. Raises InputError where it is missing or damaged."""
        try:
            content = json.loads(self._text(name))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self / name}: damaged ({str(error) or 'nested too deeply'}); {self.cure}") from None
        if not isinstance(content, dict):
            raise InputError(f"{self / name}: damaged (a {type(content).__name__} instead of an object); {self.cure}")
        return content

    def _text(self, name: str) -> str:
        try:
            return (self / name).read_bytes().decode()
        except FileNotFoundError:
            raise InputError(f"{self.path}: no {name}: {self.cure}") from None
        except UnicodeDecodeError as error:
            raise InputError(f"{self / name}: damaged ({error}); {self.cure}") from None
