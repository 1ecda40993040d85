"""Turn LIDC-IDRI, thoracic CT of 1,010 patients, into one HDF5 file of axial slices, split by patient.

Take a copy on disk (--folder, TCIA's nested folders as they are), or download patients from the Imaging Data Commons into it
(some 100 MB a patient; needs pip install "learned-ctrecon[data]"):

  python data_scripts/lidc_idri.py --folder LIDC-IDRI --out lidc.h5 --every 10
  python data_scripts/lidc_idri.py --first 20 --folder LIDC-IDRI --out lidc20.h5 --paper

Slices are chosen, turned and counted as data_scripts/dicom_folder.py does, in Hounsfield units. --paper takes instead the values and
the selection of Celledoni et al., Inverse Problems 37 (2021) 085006: stored values, negative ones set to 0, plus a dither from
[0, 1), over 4096, which is about attenuation over mu_max (unit = attenuation); slices with a padded circle (negative stored values),
tv / l1 < 0.15, 0.25 < max < 0.75 and tv < 0.01, where l1 is the mean of |x| and tv that of its forward-difference gradient's length.

Source: Armato et al., The Cancer Imaging Archive, doi:10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0.
"""

import hashlib
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pydicom

from ctrecon.errors import InputError
from preparation import ct_file, ct_slice
from preparation.card import Card, verify
from preparation.command_line import file_parser, natural, portion, positive, run
from preparation.ct_slice import CTSlice
from preparation.imaging_data_commons import choose_series, download
from preparation.row_file import Rejected, already_made

PAPER_RULE = (
    "stored values of axial CT slices as in Inverse Problems 37 (2021) 085006: (max(stored, 0) + U[0, 1)) / 4096; some stored < 0, "
    "tv / l1 < 0.15, 0.25 < max < 0.75, tv < 0.01; duplicates left out"
)


def main() -> None:
    """The script."""
    options = read_options()
    if options.verify:
        verify(options.out)
        return
    card = Card(
        title="LIDC-IDRI",
        source="The Cancer Imaging Archive, doi:10.7937/K9/TCIA.2015.LO9QL9SX",
        licence="CC BY 3.0",
        citation="Armato et al., Data from LIDC-IDRI, TCIA 2015, doi:10.7937/K9/TCIA.2015.LO9QL9SX; Armato et al., Medical Physics 38 "
        "(2011) 915, doi:10.1118/1.3528204; Clark et al., Journal of Digital Imaging 26 (2013) 1045, doi:10.1007/s10278-013-9622-7",
        selection=selection(options),
    )
    if already_made(options.out, card):
        return
    slices, rejected = find(options)
    split = draw_split((one.patient for one in slices), options.val_portion, options.test_portion, options.seed)
    ct_file.write(slices, rejected, card, options, paper_values(options.seed) if options.paper else ct_file.HU, split)


def read_options() -> Namespace:
    """The command line."""
    parser = file_parser(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("LIDC-IDRI"), help="the copy on disk (default: LIDC-IDRI)")
    parser.add_argument("--patients", nargs="+", metavar="NAME", help="only these, downloaded where they are not there")
    parser.add_argument("--first", type=positive, metavar="N", help="only the first N, downloaded where they are not there")
    parser.add_argument("--paper", action="store_true", help="the values and the selection of the paper")
    parser.add_argument("--val-portion", type=portion, default=0.1, help="of the patients (default: 0.1)")
    parser.add_argument("--test-portion", type=portion, default=0.1, help="of the patients (default: 0.1)")
    parser.add_argument("--seed", type=natural, default=0, help="of the split and the dither (default: 0)")
    ct_file.add_choice(parser)
    options = parser.parse_args()
    if options.patients and options.first:
        parser.error("expected either --patients or --first")
    if options.val_portion + options.test_portion >= 1:
        parser.error("--val-portion and --test-portion: expected less than 1 together")
    return options


def find(options: Namespace) -> tuple[list[CTSlice], Counter[str]]:
    """The wanted patients' slices, downloaded where that is asked for, and the number of other files by reason."""
    patients = options.patients
    if options.patients or options.first:
        series = choose_series(options.patients, options.first)
        patients = sorted({one["PatientID"] for one in series})
        download(series, options.folder)
    slices, rejected = ct_slice.find([options.folder])
    wanted = [one for one in slices if patients is None or one.patient in patients]
    if not wanted:
        raise InputError(f"{options.folder}: no CT slice of {', '.join(patients)}; expected those patients' DICOM files")
    return wanted, rejected + Counter({"other patients": len(slices) - len(wanted)})


def selection(options: Namespace) -> str:
    """The rule and the options in words."""
    chosen = ", ".join(options.patients) if options.patients else f"the first {options.first}" if options.first else "all"
    portions = f"val {options.val_portion:g}, test {options.test_portion:g} of the patients, seed {options.seed}"
    rule = PAPER_RULE if options.paper else ct_file.HU_RULE
    return f"{rule}; patients in {options.folder}: {chosen}; {portions}{ct_file.choice(options)}"


def draw_split(patients: Iterable[str], val: float, test: float, seed: int) -> dict[str, str]:
    """The split of each patient: portions of them, at least one each, drawn from the seed. Fewer than 3 are all for testing."""
    order = np.random.default_rng(seed).permutation(sorted(set(patients))).tolist()
    if len(order) < 3:
        return dict.fromkeys(order, "test")
    names = [name for name, part in (("val", val), ("test", test)) for _ in range(max(1, round(part * len(order))) if part else 0)]
    return dict(zip(order, names + ["train"] * (len(order) - len(names)), strict=True))


def paper_values(seed: int) -> ct_file.Values:
    """The paper's values."""
    return ct_file.Values("attenuation", "<f4", 0.0, stored_values, partial(as_in_paper, seed=seed))


def stored_values(path: Path) -> np.ndarray:
    """The pixels as they are stored. Raises InputError where they cannot be read."""
    try:
        return pydicom.dcmread(path).pixel_array.astype(np.float64)
    except Exception as error:  # pydicom's decoders raise many kinds
        raise InputError(f"{path}: its pixels cannot be read ({error}); is the file complete?") from None


def as_in_paper(one: CTSlice, stored: np.ndarray, seed: int) -> np.ndarray:
    """A slice's values, dithered from the seed and its SOPInstanceUID. Raises Rejected where the paper's rule leaves it out."""
    if stored.min() >= 0:
        raise Rejected("no padded circle")
    uid = int.from_bytes(hashlib.sha256(one.uid.encode()).digest()[:8])
    x = (stored.clip(0) + np.random.default_rng([seed, uid]).random(stored.shape)) / 4096
    down, across = np.diff(x, axis=0, append=x[-1:]), np.diff(x, axis=1, append=x[:, -1:])
    l1, tv = np.abs(x).mean(), np.hypot(down, across).mean()
    for holds, rule in ((tv / l1 < 0.15, "tv / l1 < 0.15"), (0.25 < x.max() < 0.75, "0.25 < max < 0.75"), (tv < 0.01, "tv < 0.01")):
        if not holds:
            raise Rejected(f"not {rule}")
    return x


if __name__ == "__main__":
    run(main)
