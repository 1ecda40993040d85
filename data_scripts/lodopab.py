"""Fetch and unpack LoDoPaB-CT: 42,895 ground-truth images of 362 x 362 of some 800 patients, in parts train, validation and test.

The archives come from Zenodo record 3384092 (doi:10.5281/zenodo.3384092; the ground truth is some 20 GB) and are checked against the
record's checksums. Downloads and unpacking go on where they stopped. ctrecon reads the files as they are:

  python data_scripts/lodopab.py --out lodopab --parts validation test --remove-archives
  ctrecon train data=lodopab data.file=lodopab geometry=lodopab

Beside them card.json says where they come from and what their checksums are. --local takes archives that you have already.
Source: Leuschner, Schmidt, Otero Baguer and Maass, Scientific Data 8 (2021) 109, doi:10.1038/s41597-021-00893-z.
"""

import csv
import hashlib
import json
import re
import shutil
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ctrecon.data.lodopab import PART, LoDoPaB
from ctrecon.disk.atomic import replacing, write_text
from ctrecon.errors import InputError
from preparation.archive import unpack
from preparation.card import Card, checked_card, compare
from preparation.command_line import Parser, run

RECORD = "https://zenodo.org/api/records/3384092"
DOWNLOADS = "archives"  # folder in --out
OURS = re.compile(r"(ground_truth|observation)_\w+\.hdf5|patient_ids_rand_\w+\.csv")


def main() -> None:
    """The script."""
    parser = Parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the files go")
    parser.add_argument("--parts", nargs="+", choices=list(PART), default=list(PART), help="which parts (default: all)")
    parser.add_argument("--observations", action="store_true", help="the simulated measurements as well (some 80 GB more)")
    parser.add_argument("--record", default=RECORD, metavar="URL", help="the record, or a mirror's answer of the same form")
    parser.add_argument("--local", type=Path, metavar="FOLDER", help="take the archives from here and download nothing")
    parser.add_argument("--remove-archives", action="store_true", help="remove downloaded archives once they are unpacked")
    parser.add_argument("--verify", action="store_true", help="compare the files with the checksum in card.json, and stop")
    options = parser.parse_args()
    card_file = options.out / "card.json"
    told, counts = read_card_file(card_file) if card_file.is_file() else ({}, {})
    if options.verify:
        if not told:
            raise InputError(f"{card_file}: no such file; expected that of an earlier run")
        compare(options.out, sha256_of(options.out), told["sha256"])
        return
    kinds = ["ground_truth", "observation"] if options.observations else ["ground_truth"]
    wanted = [f"{kind}_{part}.zip" for kind in kinds for part in options.parts]
    if set(wanted) <= set(told.get("archives", [])):
        print(f"{options.out}: already done, {counts['rows']} images")
    else:
        archives, version = local(options, wanted) if options.local else remote(options, wanted)
        for archive in archives:
            unpack(archive, options.out)
        write_card(options.out, sorted({*wanted, *told.get("archives", [])}), version or told.get("version", ""))
    if options.remove_archives:
        for name in wanted:
            (options.out / DOWNLOADS / name).unlink(missing_ok=True)
        with suppress(OSError):  # archives of other parts are in it, or it is not there
            (options.out / DOWNLOADS).rmdir()


def read_card_file(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The card that an earlier run wrote, and its counts. Raises InputError where it is damaged."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        told = None
    told, counts = checked_card(told, path)
    archives = told.get("archives")
    if (
        not isinstance(archives, list)
        or not all(isinstance(name, str) for name in archives)
        or not isinstance(told.get("version"), str)
    ):
        raise InputError(f"{path}: no list of archives, or no version, in it; expected what this script wrote: remove it")
    return told, counts


def remote(options: Namespace, wanted: list[str]) -> tuple[list[Path], str]:
    """Download the archives, and the lists of patients; returns the archives and the record's version."""
    from preparation.download import fetch, read_record  # needs requests

    record = read_record(options.record)
    archives = [record.file(name) for name in wanted]
    for part in options.parts:
        if (name := f"patient_ids_rand_{part}.csv") in record.files:
            fetch(record.files[name], options.out)
    return [fetch(archive, options.out / DOWNLOADS) for archive in archives], record.version


def local(options: Namespace, wanted: list[str]) -> tuple[list[Path], str]:
    """The archives in a folder; lists of patients are copied from there."""
    archives = [options.local / name for name in wanted]
    for archive in archives:
        if not archive.is_file():
            raise InputError(f"{archive}: no such file; expected LoDoPaB-CT's archive of that name in --local")
    for part in options.parts:
        if (ids := options.local / f"patient_ids_rand_{part}.csv").is_file():
            with replacing(options.out / ids.name) as temporary:
                shutil.copyfile(ids, temporary)
    return archives, ""


def write_card(folder: Path, archives: list[str], version: str) -> None:
    """Count the images, as ctrecon reads them, and write card.json. Raises InputError where they cannot be read."""
    try:
        collection = LoDoPaB(str(folder))
    except InputError:
        raise
    except (ValueError, IndexError, OSError, csv.Error) as error:
        reason = str(error).split("\n")[0]
        raise InputError(
            f"{folder}: patient_ids_rand_*.csv or ground_truth_*.hdf5 cannot be read ({reason}); remove the damaged one"
        ) from None
    rows = {name: collection.rows(name) if any(part in archive for archive in archives) else [] for part, name in PART.items()}
    patients = {collection.patient(row) for split in rows.values() for row in split}
    counts: dict[str, Any] = {"rows": sum(map(len, rows.values())), "patients": len(patients), "rejected": {}}
    counts["by_split"] = {name: len(split) for name, split in rows.items()}
    card = Card(
        title="LoDoPaB-CT",
        source="Zenodo record 3384092, doi:10.5281/zenodo.3384092; made from LIDC-IDRI, doi:10.7937/K9/TCIA.2015.LO9QL9SX",
        licence="CC BY 4.0 (LIDC-IDRI: CC BY 3.0)",
        citation="Leuschner, Schmidt, Otero Baguer and Maass, LoDoPaB-CT, a benchmark dataset for low-dose computed tomography "
        "reconstruction, Scientific Data 8 (2021) 109, doi:10.1038/s41597-021-00893-z; Armato et al., Medical Physics 38 (2011) 915",
        selection=f"files as published, of {', '.join(archives)}",
        version=version,
    )
    filled = card.filled(counts, sha256_of(folder)) | {"archives": archives}
    write_text(folder / "card.json", json.dumps(filled, indent=2) + "\n")
    print(f"{folder}: {counts['rows']} images of {counts['patients']} patients, {counts['by_split']}")


def sha256_of(folder: Path) -> str:
    """Checksum of the collection's files, by name."""
    digest = hashlib.sha256()
    files = sorted(path for path in folder.rglob("*") if OURS.fullmatch(path.name))
    for path in tqdm(files, desc="checksum", unit="file", disable=None):
        with path.open("rb") as opened:
            digest.update(f"{path.name} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    run(main)
