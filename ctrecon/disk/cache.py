"""What takes long to make and little to read, kept on disk between runs.

The folder is CTRECON_CACHE, or the user's cache folder. An entry is named by a hash of all that determines it, written whole or not
at all by one process while others wait for it, read without executing anything, and made anew where its checksum does not fit.
Entries that were not used for longest go when all take more than CTRECON_CACHE_GIB (8). Where nothing can be written, nothing is kept.
"""

import hashlib
import os
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import filelock
import platformdirs
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ctrecon.errors import InputError

Arrays = dict[str, Tensor]

SUFFIX = ".safetensors"
ROWS = ".rows"  # of entries that are filled row by row


def folder() -> Path:
    """Where entries are."""
    return Path(os.environ.get("CTRECON_CACHE") or platformdirs.user_cache_path("ctrecon"))


def limit() -> int:
    """Bytes that all entries may take. Raises InputError where CTRECON_CACHE_GIB is no number."""
    gib = os.environ.get("CTRECON_CACHE_GIB", "8")
    try:
        return int(float(gib) * 2**30)
    except ValueError:
        raise InputError(f"CTRECON_CACHE_GIB={gib}: expected a number of GiB") from None


def entry(name: str, determined_by: bytes, suffix: str = SUFFIX) -> Path:
    """The path of an entry: a name that people understand, and a hash of all that it depends on."""
    return folder() / f"{name}_{hashlib.sha256(determined_by).hexdigest()[:16]}{suffix}"


def kept(name: str, determined_by: bytes, make: Callable[[], Arrays]) -> Arrays:
    """The arrays that `make` gives, from disk where they are kept.

    Args:
        name: Says to people what it is.
        determined_by: All that the arrays depend on.
        make: Makes them.
    """
    path = entry(name, determined_by)
    with ExitStack() as stack:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(filelock.FileLock(path.with_suffix(".lock")))
        arrays = _read(path)
        if arrays is None:
            arrays = make()
            with suppress(OSError, SafetensorError):  # a full disk, a folder that cannot be written
                _write(path, arrays)
        return arrays


def _read(path: Path) -> Arrays | None:
    """The entry, mapped into memory; None where there is none or a damaged one."""
    try:
        with safe_open(path, framework="pt") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            if (file.metadata() or {}).get("crc32") != _checksum(arrays):
                return None
        path.touch()  # used just now
        return arrays
    except (OSError, SafetensorError, ValueError):
        return None


def _write(path: Path, arrays: Arrays) -> None:
    temporary = path.with_suffix(".part")  # the lock's holder is alone
    try:
        if sum(array.nbytes for array in arrays.values()) > limit():
            return
        save_file(arrays, temporary, {"crc32": _checksum(arrays)})
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    make_room(path)


def make_room(path: Path) -> None:
    """Remove what was not used for longest, but not the entry at `path`, until the rest is within the limit."""
    found = [(p.stat(), p) for suffix in (SUFFIX, ROWS) for p in path.parent.glob(f"*{suffix}")]
    total = 0
    for stat, one in sorted(found, key=lambda pair: pair[0].st_mtime, reverse=True):
        total += min(stat.st_size, 512 * stat.st_blocks)  # files filled row by row have holes
        if total > limit() and one != path:
            one.unlink(missing_ok=True)


def _checksum(arrays: Arrays) -> str:
    value = 0
    for name in sorted(arrays):
        value = zlib.crc32(memoryview(arrays[name].numpy()).cast("B"), zlib.crc32(name.encode(), value))
    return f"{value:08x}"
