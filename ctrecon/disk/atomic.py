"""Writing files whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ctrecon.disk.format import ZARR, ending_in, is_of, suffix_of
from ctrecon.errors import InputError

IN_ZARR = (".zgroup", ".zattrs", ".zmetadata", "0")


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


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place when the block ends well and is removed when not.

    Raises:
        OSError: It cannot be made, or what is there cannot be moved away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent, ignore_cleanup_errors=True) as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        new.mkdir()
        yield new
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise


def write_files(contents: Mapping[Path, bytes | memoryview | Callable[[Path], None]]) -> None:
    """Write files that belong together: all of them, or, where one cannot be written, none.

    Libraries that write by themselves may swallow the error of a full disk, as h5py does. So they write to memory, and Python's own
    write brings that to the disk; what was there before is replaced when all of it has arrived.

    Args:
        contents: By path; or what writes it to a path, through Python's own write.

    Raises:
        OSError: A folder cannot be made or written to, or the disk is full.
    """
    with ExitStack() as stack:
        for path, content in contents.items():
            try:
                temporary = stack.enter_context(replacing(path))
                if callable(content):
                    content(temporary)
                else:
                    _fill(temporary, memoryview(content))
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None


def write_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file, whole or not at all. Raises OSError as `write_files`."""
    write_files({Path(path): content})


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all. Raises OSError as `write_files`."""
    write_bytes(path, text.encode())


def _fill(path: Path, content: memoryview) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if path.stat().st_size != content.nbytes:
        raise OSError(errno.EIO, "was not written whole")


def writable(path: str, suffixes: tuple[str, ...], *inputs: str | Path | None) -> Path:
    """The path of a file to write, tried before the work that fills it.

    Args:
        path: Where to.
        suffixes: Those of the formats there are.
        inputs: What is read for it, and must stay.

    Raises:
        InputError: The suffix is none of those, what is there is a folder, an input, or a file of another format, which would be lost, or a file is
            where its folder should be.
        OSError: The folder cannot be made or written to.
    """
    where = Path(path)
    suffix = suffix_of(where)
    if suffix not in suffixes:
        raise InputError(f"out={path}: expected {ending_in(suffixes)}")
    there = where.resolve()  # missing/../name.npy is name.npy once the folder is made
    if there.is_dir():
        raise InputError(f"out={path}: is a folder; expected a file name")
    if there.exists():
        if any(one and Path(one).exists() and there.samefile(one) for one in inputs):
            raise InputError(f"out={path}: is the file that is read; expected another name, so that it is not lost")
        if not there.is_file() or (there.stat().st_size and not is_of(there, suffix)):
            raise InputError(f"out={path}: a file is there that is no {suffix} file; remove it or choose another name")
    for above in where.parents:
        if above.is_file():
            raise InputError(f"out={path}: {above} is a file; expected a folder there")
    where.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".writing-", dir=where.parent):
        pass
    return where


def folder_of(path: Path) -> Path | None:
    """The folder that a path stands for: FOLDER of FOLDER/*.SUFFIX, NAME.zarr itself; None: it stands for a file."""
    return path.parent if path.stem == "*" or path.name == "*.nii.gz" else path if suffix_of(path) == ZARR else None


def writable_folder(path: str, suffixes: tuple[str, ...], overwrite: bool) -> Path:
    """The path of a folder to write, as `folder_of` understands it, tried before the work that fills it.

    Raises:
        InputError: Its files have no such suffix, or what is there is something else than such a folder, or was not to be replaced.
        OSError: The folder cannot be made or written to.
    """
    where = Path(path)
    folder, suffix = folder_of(where), suffix_of(where)
    if suffix not in (*suffixes, ZARR) or folder == Path():
        raise InputError(f"out={path}: expected FOLDER/* and {ending_in(suffixes)}, or NAME.zarr")
    if folder.exists():
        if not folder.is_dir():
            raise InputError(f"out={path}: {folder} is a file; expected a folder there, or none")
        names = [one.name for one in folder.iterdir()]
        ours = (lambda name: name in IN_ZARR) if suffix == ZARR else (lambda name: name.removesuffix(".json").endswith(suffix))
        if strange := next((name for name in names if not ours(name)), None):
            raise InputError(f"out={path}: {folder / strange} is there and would be lost; remove it or choose another folder")
        if names and not overwrite:
            raise InputError(f"out={path}: {folder} is there already; say overwrite=true or choose another name")
    for above in folder.parents:
        if above.is_file():
            raise InputError(f"out={path}: {above} is a file; expected a folder there")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder.parent):
        pass
    return where


def check_free(out: str, overwrite: bool, *paths: Path) -> None:
    """Raises InputError where one of the files that `out` stands for is there, has something in it, and was not to be replaced."""
    for path in paths:
        if not overwrite and path.is_file() and path.stat().st_size:
            name = "" if path == Path(out) else f"{path} "
            raise InputError(f"out={out}: {name}is there already; say overwrite=true or choose another name")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
