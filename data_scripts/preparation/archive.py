"""Unpacking zip archives: whole members only, none outside the folder, and going on after an interruption."""

import shutil
import zipfile
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ctrecon.disk.atomic import replacing
from ctrecon.errors import InputError


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack the files of an archive that are not there yet; returns where they all are.

    Members are written whole or not at all and checked against their CRC, so that one that is there with its size is right.

    Raises:
        InputError: The archive is truncated or no zip, or a member would lie outside the folder.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            targets = [_inside(member.filename, folder, archive) for member in members]
            for member, target in tqdm(list(zip(members, targets, strict=True)), desc=archive.name, unit="file", disable=None):
                if not (target.is_file() and target.stat().st_size == member.file_size):
                    with replacing(target) as temporary, opened.open(member) as source, temporary.open("wb") as written:
                        shutil.copyfileobj(source, written, 2**20)
            return targets
    except (zipfile.BadZipFile, EOFError, zipfile.zlib.error) as error:
        raise InputError(f"{archive}: not a whole zip archive ({error}); remove it and start again") from None


def _inside(name: str, folder: Path, archive: Path) -> Path:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name:
        raise InputError(
            f"{archive}: member {name} would lie outside {folder}; expected names inside it: do not trust this archive"
        )
    return folder / path
