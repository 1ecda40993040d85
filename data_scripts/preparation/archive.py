"""Unpacking zip archives: whole members only, none outside the folder, no more than declared, and going on after an interruption.

An archive is looked at as a whole before anything is written. It is refused where a member is encrypted, packed by another method than
those below, outside the folder, or there twice; and where it would unpack to more than `RATIO` times its own size, which no measured
data do, or to more than the disk has.
"""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ctrecon.disk.atomic import replacing
from ctrecon.errors import InputError

METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}  # zipfile bounds the memory of no other one
ENCRYPTED = 0x1  # bit of a member's flags
RATIO = 100  # of unpacked to packed bytes; noise of detectors and reconstructions reaches 10, deflated zeros 1,030
SLACK = 2**24  # bytes that are no bomb in any case: empty images and lists pack well
PIECE = 2**20  # bytes


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack the files of an archive that are not there yet; returns where they all are.

    Members are written whole or not at all and checked against their CRC, so that one that is there with its size is right.

    Raises:
        InputError: The archive is damaged or no zip, or one of those that are refused. Members that were whole before stay.
        OSError: The disk is full, or the folder cannot be written to.
    """
    with archive.open("rb") as file:
        try:
            opened = zipfile.ZipFile(file)
            members = [member for member in opened.infolist() if not member.is_dir()]
        except Exception as error:  # of a damaged directory zipfile raises many kinds
            raise _damaged(archive, error) from None
        targets = [_inside(member.filename, folder, archive) for member in members]
        _check_names(targets, archive)
        _check_packing(members, archive)
        missing = [(member, target) for member, target in zip(members, targets, strict=True) if not _is_there(member, target)]
        _check_sizes(members, archive)
        _check_space([member for member, _ in missing], folder, archive)
        for member, target in tqdm(missing, desc=archive.name, unit="file", disable=None):
            with replacing(target) as temporary, temporary.open("wb") as written:
                for piece in _pieces(opened, member, archive):
                    written.write(piece)
    return targets


def _pieces(opened: zipfile.ZipFile, member: zipfile.ZipInfo, archive: Path) -> Iterator[bytes]:
    """A member's content; its CRC is compared at the end. Raises InputError where it cannot be unpacked, or has another size."""
    left = member.file_size
    try:
        with opened.open(member) as source:
            while piece := source.read(PIECE):
                left -= len(piece)
                if left < 0:
                    break
                yield piece
    except Exception as error:  # zipfile and the decompressors raise many kinds
        raise _damaged(archive, error) from None
    if left:
        raise _damaged(archive, f"{member.filename} has not the {member.file_size} bytes that are declared")


def _is_there(member: zipfile.ZipInfo, target: Path) -> bool:
    return target.is_file() and target.stat().st_size == member.file_size


def _inside(name: str, folder: Path, archive: Path) -> Path:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or not path.parts or not name.isprintable():
        raise InputError(
            f"{archive}: member {name!r} would lie outside {folder}; expected plain names inside it: do not trust this archive"
        )
    return folder / path


def _check_names(targets: list[Path], archive: Path) -> None:
    """Raises InputError where two members would lie at one place, or one inside another that is a file."""
    seen: set[str] = set()
    for target in targets:
        if str(target).casefold() in seen:  # many disks do not tell letters' case apart
            raise InputError(f"{archive}: two members are {target.name}; expected each name once: do not trust this archive")
        seen.add(str(target).casefold())
    for target in targets:
        if any(str(parent).casefold() in seen for parent in target.parents):
            raise InputError(f"{archive}: {target.name} would lie inside another file: do not trust this archive")


def _check_packing(members: list[zipfile.ZipInfo], archive: Path) -> None:
    """Raises InputError where a member is encrypted or packed by a method that is not for us."""
    for member in members:
        if member.flag_bits & ENCRYPTED:
            raise InputError(f"{archive}: member {member.filename!r} is encrypted; unpack it by hand with its password")
        if member.compress_type not in METHODS:
            raise InputError(
                f"{archive}: member {member.filename!r} is packed by method {member.compress_type}; expected "
                f"{' or '.join(METHODS.values())}: unpack it by hand"
            )


def _check_sizes(members: list[zipfile.ZipInfo], archive: Path) -> None:
    """Raises InputError where a member, or all of them, would unpack to far more than is packed."""
    for member in members:
        if member.file_size > RATIO * member.compress_size + SLACK:
            raise _bomb(archive, repr(member.filename), member.file_size, member.compress_size)
    unpacked, packed = sum(member.file_size for member in members), archive.stat().st_size
    if unpacked > RATIO * packed + SLACK:
        raise _bomb(archive, "all of it", unpacked, packed)


def _check_space(members: list[zipfile.ZipInfo], folder: Path, archive: Path) -> None:
    """Raises InputError where the disk has less than the members take."""
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = sum(member.file_size for member in members), shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(f"{archive}: unpacks to {needed} bytes, and the disk of {folder} has {free}; make space and start again")


def _bomb(archive: Path, what: str, unpacked: int, packed: int) -> InputError:
    return InputError(
        f"{archive}: {what} would unpack from {packed} to {unpacked} bytes; expected at most {RATIO} times as many: "
        "do not trust this archive"
    )


def _damaged(archive: Path, error: Exception | str) -> InputError:
    reason = str(error).split("\n")[0] or type(error).__name__
    return InputError(f"{archive}: not a whole zip archive ({reason}); remove it and start again")
