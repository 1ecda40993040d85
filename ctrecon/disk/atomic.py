"""Writing a file whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctrecon.errors import InputError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, of the same suffix, that takes its place when the block ends well and is removed when not.

    Raises:
        OSError: The folder cannot be made or written to, or the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", suffix=suffix_of(path), dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file, whole or not at all, by Python's own write: a full disk is an OSError, which libraries may swallow."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_bytes(path, text.encode())


def writable(path: str, suffixes: tuple[str, ...]) -> Path:
    """The path of a file to write, tried before the work that fills it.

    Raises:
        InputError: The suffix is none of those, or the path is a folder.
        OSError: The folder cannot be made or written to.
    """
    where = Path(path)
    if suffix_of(where) not in suffixes:
        raise InputError(f"out={path}: expected a name ending in one of {' '.join(suffixes)}")
    if where.is_dir():
        raise InputError(f"out={path}: is a folder; expected a file name")
    where.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".writing-", dir=where.parent):
        pass
    return where


def suffix_of(path: Path) -> str:
    """The suffix that tells a file's format; .nii.gz counts as one."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
