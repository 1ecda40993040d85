"""Fetching the files of a Zenodo record: resumed where they stopped, and there only when their checksum fits.

pooch checks and keeps files; its downloader here goes on with `NAME.part` by an HTTP Range request.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from ctrecon.errors import InputError

TRIES = 5  # without a byte of progress
WAIT_S = 2.0  # before the second try, twice that before the third and so on
TIMEOUT_S = 60.0
PIECE = 2**16  # bytes
PASSING = (408, 429, 500, 502, 503, 504)  # what a server says when another try may help


@dataclass(frozen=True)
class RemoteFile:
    """A file of a record: its name, address, bytes, and checksum such as md5:d41d8c..."""

    name: str
    url: str
    size: int
    checksum: str


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
        InputError: It cannot be reached, or its answer is no record.
    """
    try:
        answer = requests.get(url, timeout=TIMEOUT_S)
        answer.raise_for_status()
        told = answer.json()
        files = [RemoteFile(file["key"], file["links"]["self"], int(file["size"]), file["checksum"]) for file in told["files"]]
        return Record(url, {file.name: file for file in files}, str(told.get("metadata", {}).get("version", "")))
    except requests.JSONDecodeError:
        raise InputError(f"{url}: the answer is not JSON; expected a record of Zenodo's API, /api/records/NUMBER") from None
    except requests.RequestException as error:
        raise InputError(f"{url}: cannot be reached ({_reason(error)}); is the address right, and the network there?") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{url}: not a record of Zenodo's API (no {error}); expected /api/records/NUMBER") from None


def fetch(file: RemoteFile, folder: Path) -> Path:
    """The file in a folder, downloaded unless it is there with the right checksum.

    Raises:
        InputError: It cannot be reached (what is there stays, to go on from), or came with another checksum (it is removed).
    """
    folder.mkdir(parents=True, exist_ok=True)
    if Path(file.name).name != file.name:
        raise InputError(f"{file.name}: a record's file with a folder in its name; expected a plain name")
    pooch.get_logger().setLevel("ERROR")
    try:
        return Path(pooch.retrieve(file.url, file.checksum, file.name, folder, downloader=Resuming(file, folder)))
    except InputError:
        raise
    except ValueError:  # pooch's, of a checksum
        raise InputError(
            f"{file.name}: what {file.url} sent has another checksum than the record's {file.checksum}; it is removed: start again"
        ) from None


class Resuming:
    """pooch's downloader: goes on with a partial file, and tries again after a while.

    Args:
        file: What to fetch.
        folder: Where the partial file is kept.
    """

    def __init__(self, file: RemoteFile, folder: Path) -> None:
        self.file, self.part = file, folder / f"{file.name}.part"

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Download `url` to `output_file`. Raises InputError where the server cannot, or no longer, be reached."""
        self.part.touch()
        failures = 0
        while (before := self._there()) != self.file.size:
            status = None
            try:
                self._go_on(url)
                reason = f"{self._there()} of {self.file.size} bytes"
            except requests.RequestException as error:
                status, reason = getattr(error.response, "status_code", None), _reason(error)
            if self._there() > self.file.size or status == 416:  # not the file of the record: nothing to go on from
                self.part.unlink()
                raise InputError(
                    f"{url}: sends a file that has not the record's {self.file.size} bytes; it is removed: start again"
                )
            failures = 0 if before < self._there() else failures + 1
            if failures >= TRIES or status not in (None, *PASSING):
                raise InputError(f"{url}: cannot be downloaded ({reason}); what is there is kept: start again to go on")
            time.sleep(WAIT_S * (2**failures - 1))
        self.part.replace(output_file)

    def _there(self) -> int:
        return self.part.stat().st_size

    def _go_on(self, url: str) -> None:
        there = self._there()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
            if answer.status_code != 206 or not answer.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
                there = 0  # the server sends all of it
            with (
                self.part.open("ab" if there else "wb") as part,
                tqdm(desc=self.file.name, initial=there, total=self.file.size, unit="B", unit_scale=True, disable=None) as bar,
            ):
                for piece in answer.iter_content(PIECE):
                    part.write(piece)
                    bar.update(len(piece))


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    return "interrupted" if isinstance(error, requests.exceptions.ChunkedEncodingError) else type(error).__name__
