"""Fetching the files of a Zenodo record: resumed where they stopped, never more than the record declares, and checked before they count.

A record has to declare a size and a checksum for each file. Bytes gather in `NAME.part`, by HTTP Range requests, and become `NAME` when
their checksum is the declared one. Nothing that was received is ever removed here: where it is wrong, a message says which file to remove.

The package pooch is not used: it knows no declared size (a trial wrote 64 MiB for 1,008 declared bytes before it looked), does not
resume, and removes the whole download when it is interrupted while it computes the checksum.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from ctrecon.errors import InputError

TRIES = 5  # without a byte of progress
WAIT_S = 2.0  # before the second try, twice that before the third and so on
TIMEOUT_S = 60.0
PIECE = 2**16  # bytes
RECORD_BYTES = 2**24  # no record is longer
PASSING = (408, 429, 500, 502, 503, 504)  # what a server says when another try may help
DIGITS = {"md5": 32, "sha256": 64, "sha512": 128}  # of a checksum


@dataclass(frozen=True)
class RemoteFile:
    """A file of a record: its name, address, bytes, and checksum such as md5:d41d8c...

    Raises:
        InputError: One of these is missing or of the wrong kind.
    """

    name: str
    url: str
    size: int
    checksum: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"\w[\w .+()-]{0,200}", self.name) or self.name.endswith(".part"):
            raise InputError(f"{self.name!r}: a record's file of that name; expected a plain name without a folder")
        if not isinstance(self.url, str) or not self.url.startswith(("http://", "https://")):
            raise InputError(f"{self.name}: the record says it is at {self.url!r}; expected an address that starts with https://")
        if type(self.size) is not int or self.size < 0:
            raise InputError(f"{self.name}: the record says its size is {self.size!r}; expected a number of bytes")
        kind, _, digits = self.checksum.partition(":") if isinstance(self.checksum, str) else ("", "", "")
        if len(digits) != DIGITS.get(kind) or not re.fullmatch(r"[0-9a-fA-F]+", digits):
            raise InputError(
                f"{self.name}: the record says its checksum is {self.checksum!r}; expected one of {', '.join(DIGITS)}, such as "
                f"md5:{'0' * 32}: without it nobody can tell that the file is right"
            )

    def is_at(self, path: Path) -> bool:
        """Whether a file has this one's size and checksum."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        kind, _, digits = self.checksum.partition(":")
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, kind).hexdigest() == digits.lower()


@dataclass(frozen=True)
class Record:
    """A Zenodo record: its files by name, and its version."""

    url: str
    files: dict[str, RemoteFile]
    version: str

    def file(self, name: str) -> RemoteFile:
        """The file of that name. Raises InputError where there is none."""
        if name not in self.files:
            raise InputError(
                f"{self.url}: no file {name}; it has {', '.join(sorted(self.files)) or 'none'}: is it the right record?"
            )
        return self.files[name]


def read_record(url: str) -> Record:
    """What a record's API says, such as https://zenodo.org/api/records/3384092.

    Raises:
        InputError: It cannot be reached, its answer is no record, or one of its files is without size or checksum.
    """
    content = bytearray()
    try:
        with _asked(url, {}) as answer:
            for piece in answer.iter_content(PIECE):
                content += piece
                if len(content) > RECORD_BYTES:
                    raise InputError(f"{url}: an answer of more than {RECORD_BYTES} bytes; expected a record of Zenodo's API")
    except requests.RequestException as error:
        raise InputError(f"{url}: cannot be reached ({_reason(error)}); is the address right, and the network there?") from None
    try:
        declared = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(f"{url}: the answer is not JSON; expected a record of Zenodo's API, /api/records/NUMBER") from None
    entries = declared.get("files") if isinstance(declared, dict) else None
    if not isinstance(entries, list):
        raise InputError(f"{url}: not a record of Zenodo's API (no list of files); expected /api/records/NUMBER")
    files = [_remote_file(entry, url) for entry in entries]
    metadata = declared.get("metadata")
    return Record(url, {file.name: file for file in files}, str(metadata.get("version", "")) if isinstance(metadata, dict) else "")


def fetch(file: RemoteFile, folder: Path) -> Path:
    """The file in a folder, downloaded unless it is there with the right checksum. One that is wrong is replaced by the right one.

    Raises:
        InputError: It cannot be reached, or what comes is not what the record declares. What is there stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / file.name, folder / f"{file.name}.part"
    if file.is_at(target):
        return target
    try:
        _download(file, part)
    finally:
        if part.is_file() and _size(part) == 0 < file.size:
            part.unlink()
    if not file.is_at(part):
        raise InputError(
            f"{file.name}: what {file.url} sent has another checksum than the record's {file.checksum}; it is kept as {part}: "
            "remove that and start again, or try another --record"
        )
    part.replace(target)
    return target


def _remote_file(entry: Any, url: str) -> RemoteFile:
    """A file as Zenodo declares it."""
    if not isinstance(entry, dict):
        raise InputError(f"{url}: not a record of Zenodo's API (a file {str(entry)[:50]!r}); expected /api/records/NUMBER")
    links = entry.get("links")
    address = links.get("self") if isinstance(links, dict) else None
    return RemoteFile(entry.get("key"), address, entry.get("size"), entry.get("checksum"))


def _download(file: RemoteFile, part: Path) -> None:
    """Go on with the partial file until it has all bytes; try again after a while where the connection breaks."""
    part.touch()
    failures = 0
    while (before := _size(part)) != file.size:
        if before > file.size:
            raise InputError(f"{part}: {before} bytes, but the record says {file.size}: remove it, or try another --record")
        if (free := shutil.disk_usage(part.parent).free) < file.size - before:
            raise InputError(f"{part}: {file.size - before} bytes are to come, and the disk has {free}; make space and start again")
        status = None
        try:
            _go_on(file, part)
            reason = f"{_size(part)} of {file.size} bytes"
        except requests.RequestException as error:
            status, reason = getattr(error.response, "status_code", None), _reason(error)
        if status == 416:
            raise InputError(
                f"{file.url}: has less than the record's {file.size} bytes; what came is kept as {part}: "
                "remove that and start again, or try another --record"
            )
        failures = 0 if before < _size(part) else failures + 1
        if failures >= TRIES or status not in (None, *PASSING):
            raise InputError(f"{file.url}: cannot be downloaded ({reason}); what is there is kept: start again to go on")
        time.sleep(WAIT_S * (2**failures - 1))


def _go_on(file: RemoteFile, part: Path) -> None:
    """Append what one answer brings. Raises InputError, and leaves the partial file as it was, where that is more than declared."""
    there = _size(part)
    with _asked(file.url, {"Range": f"bytes={there}-"} if there else {}) as answer:
        resumed = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {there}-")
        known = 0 if resumed else there  # bytes of the answer that are there already
        left = file.size - there
        announced = answer.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > known + left:
            raise _more(file, announced)
        with (
            part.open("ab") as written,
            tqdm(desc=file.name, initial=there, total=file.size, unit="B", unit_scale=True, disable=None) as bar,
        ):
            for received in answer.iter_content(PIECE):
                piece, known = received[known:], max(0, known - len(received))
                if len(piece) > left:
                    written.truncate(there)
                    raise _more(file, f"more than {file.size}")
                written.write(piece)
                left -= len(piece)
                bar.update(len(piece))


@contextmanager
def _asked(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """A server's answer, not compressed: what is received is then what is stored, and no more can come out of it."""
    with requests.get(url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=TIMEOUT_S) as answer:
        answer.raise_for_status()
        if (encoding := answer.headers.get("Content-Encoding", "identity")) != "identity":
            raise InputError(f"{url}: answers compressed ({encoding}), which was not asked for; try another --record")
        yield answer


def _more(file: RemoteFile, number: str) -> InputError:
    return InputError(
        f"{file.url}: sends {number} bytes, but the record says {file.size}; is it the right file? What was there before is kept"
    )


def _size(path: Path) -> int:
    return path.stat().st_size


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    return "interrupted" if isinstance(error, requests.exceptions.ChunkedEncodingError) else type(error).__name__
