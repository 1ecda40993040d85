"""Turn slices of 2DeteCT into one HDF5 file of measured fan-beam sinograms, with the published reconstructions where they are there.

FOLDER holds the unpacked archives, to any depth: sliceNNNNN/modeM/ with sinogram.tif (3601 x 1912 counts), dark.tif, flat1.tif and
flat2.tif, and, from the archives of reconstructions, reconstruction.tif.

  python data_scripts/two_detect.py 2DeteCT --out mode2.h5 --mode 2 --slices 1:101 --views-every 10

Done here: detector pixels summed by --bin-by, (counts - dark) / (mean flat - dark) with at least one count, -log, and the last view,
which repeats the first, left out. The detector of slices 1-2830 and 5521-5870 sat two pixels off: their rows are shifted by that
(edges repeated), so that all slices have one geometry.

Sure, from the authors' published scripts (github.com/mbkiss/2DeteCTcodes): source to origin 431.019989 mm, source to detector
529.000488 mm, pixels of 0.0748 mm, 3600 views over a turn in ASTRA's fanflat convention without a flip, that shift, and the image
grid of the reconstructions: 1024 x 1024 over the detector's width at the origin, cut one pixel up and left of the centre.
To check: which mode is the low dose (the authors' settings say mode 2, others who use the data say mode 1: compare the flats); and
which slices show one specimen, which the archives do not say: --per-object consecutive slices count as one patient.

Source: Kiss, Coban, Batenburg, van Leeuwen and Lucka, Scientific Data 10 (2023) 576, CC BY 4.0; slices 1-1000 are
doi:10.5281/zenodo.8014757, their reconstructions doi:10.5281/zenodo.8017582.
"""

import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ctrecon.errors import InputError
from preparation.card import Card, verify
from preparation.command_line import file_parser, positive, run
from preparation.row_file import already_made
from preparation.sinogram_file import Scan, write

VIEWS, BINS = 3600, 1912  # without the last, repeated view
SOURCE_MM, DETECTOR_MM, BIN_MM = 431.019989, 529.000488, 0.0748
PIXELS = 1024
PIXEL_M = BINS * BIN_MM * SOURCE_MM / DETECTOR_MM / PIXELS / 1000
SHIFTED = (range(1, 2831), range(5521, 5871))  # slices of the first detector position
SHIFT = 2  # pixels


def main() -> None:
    """The script."""
    parser = file_parser(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where the unpacked archives are")
    parser.add_argument("--mode", type=int, choices=(1, 2, 3), default=2, help="which of the three measurements (default: 2)")
    parser.add_argument("--reference-mode", type=int, choices=(1, 2, 3), default=2, help="whose reconstructions (default: 2)")
    parser.add_argument("--slices", type=_slices, default=range(1, 10000), metavar="A:B", help="slices A to B-1 (default: all)")
    parser.add_argument("--views-every", type=positive, default=1, metavar="K", help="take every K-th view; K divides 3600")
    parser.add_argument("--bin-by", type=positive, default=2, metavar="K", help="sum K pixels, 2 as published; K divides 1912")
    parser.add_argument(
        "--per-object", type=positive, default=100, metavar="N", help="slices that count as one object (default: 100)"
    )
    options = parser.parse_args()
    if options.verify:
        verify(options.out)
        return
    if options.folder is None:
        parser.error("expected the FOLDER of the unpacked archives")
    for name, whole in {"views_every": VIEWS, "bin_by": BINS}.items():
        if whole % getattr(options, name):
            parser.error(f"--{name.replace('_', '-')} {getattr(options, name)}: expected a divisor of {whole}")
    card = Card(
        title="2DeteCT",
        source="Zenodo records 8014757, 8014765, 8014786, 8014828, 8014873, 8014906; the first is doi:10.5281/zenodo.8014757",
        licence="CC BY 4.0",
        citation="Kiss, Coban, Batenburg, van Leeuwen and Lucka, 2DeteCT - A large 2D expandable, trainable, experimental Computed "
        "Tomography dataset for machine learning, Scientific Data 10 (2023) 576, doi:10.1038/s41597-023-02484-6",
        selection=f"mode {options.mode} of slices {options.slices.start}:{options.slices.stop} in {options.folder}, every "
        f"{options.views_every} views, {options.bin_by} pixels summed, references of mode {options.reference_mode}, "
        f"{options.per_object} slices an object",
    )
    if already_made(options.out, card):
        return
    sinograms = find(options.folder, options.mode, "sinogram.tif", options.slices)
    if not sinograms:
        raise InputError(
            f"{options.folder}: no sliceNNNNN/mode{options.mode}/sinogram.tif of these slices in it; is it the right folder?"
        )
    references = find(options.folder, options.reference_mode, "reconstruction.tif", options.slices)
    complete = set(references) >= set(sinograms)

    def read(number: int) -> Scan:
        reference = read_tiff(references[number], (PIXELS, PIXELS)) / PIXEL_M if complete else None  # published per pixel
        sinogram = read_sinogram(sinograms[number], number, options.views_every, options.bin_by)
        first = (number - 1) // options.per_object * options.per_object + 1
        return Scan(f"slices {first:05d}-{first + options.per_object - 1:05d}", sinogram, reference)

    items = {f"slice{number:05d}": number for number in sorted(sinograms)}
    write(card, options, geometry(options.views_every, options.bin_by), complete, items, read)


def geometry(views_every: int, bin_by: int) -> dict[str, Any]:
    """The scan in the form of conf/geometry. ASTRA's angle 0 is ours of 90 degrees; the published cut-out moves the centre."""
    return {
        "pixels": PIXELS,
        "fov_m": PIXELS * PIXEL_M,
        "views": VIEWS // views_every,
        "bins": BINS // bin_by,
        "bin_m": bin_by * BIN_MM / 1000,
        "start_deg": 90.0,
        "scan_views": VIEWS // views_every,
        "centre_m": [-PIXEL_M, -PIXEL_M],
        "source_m": SOURCE_MM / 1000,
        "detector_m": DETECTOR_MM / 1000,
    }


def find(folder: Path, mode: int, name: str, wanted: range) -> dict[int, Path]:
    """The files of that name, by slice number. Raises InputError where there is no folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with 2DeteCT's unpacked archives")
    paths = (path for path in sorted(folder.rglob(name)) if path.parent.name == f"mode{mode}")
    numbered = ((re.fullmatch(r"slice(\d{5})", path.parts[-3]), path) for path in paths)
    return {int(named[1]): path for named, path in numbered if named and int(named[1]) in wanted}


def read_sinogram(path: Path, number: int, views_every: int, bin_by: int) -> np.ndarray:
    """-log(I / I0) of a slice."""
    counts = read_tiff(path, (VIEWS + 1, BINS))[:-1:views_every]
    dark, *flats = (read_tiff(path.with_name(f"{name}.tif"), None) for name in ("dark", "flat1", "flat2"))
    rows = [counts, dark.reshape(-1, dark.shape[-1])[:1], np.mean(flats, axis=0).reshape(-1, flats[0].shape[-1])[:1]]
    if any(number in numbers for numbers in SHIFTED):
        rows = [np.pad(row[:, SHIFT:], ((0, 0), (0, SHIFT)), mode="edge") for row in rows]
    counts, dark, flat = (row.reshape(len(row), -1, bin_by).sum(axis=2) for row in rows)
    if not (flat - dark > 0).all():
        raise InputError(
            f"{path.parent}: flats that are not above the dark field; are flat1.tif, flat2.tif and dark.tif the right ones?"
        )
    return -np.log((counts - dark).clip(1) / (flat - dark))


def read_tiff(path: Path, shape: tuple[int, int] | None) -> np.ndarray:
    """An image of that shape, or, None, rows of the detector's width. Raises InputError where it is not, before its pixels are read."""
    try:
        with tifffile.TiffFile(path) as opened:
            found = opened.series[0].shape if opened.series else ()
            if found == shape or (shape is None and found[-1:] == (BINS,) and np.prod(found) <= (VIEWS + 1) * BINS):
                image = opened.series[0].asarray().astype(np.float64)
                if image.shape == found:
                    return image
    except Exception as error:  # tifffile raises many kinds
        raise InputError(f"{path}: not a readable TIFF file ({_first_line(error)}); is it complete?") from None
    raise InputError(f"{path}: of shape {found}; expected {shape or ('rows', BINS)}")


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0] or "truncated"


def _slices(word: str) -> range:
    first, _, after = word.partition(":")
    if not (first.isdecimal() and after.isdecimal() and int(first) < int(after)):
        raise ArgumentTypeError(f"{word}: expected A:B with A below B")
    return range(int(first), int(after))


if __name__ == "__main__":
    run(main)
