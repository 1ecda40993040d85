"""Turn folders of DICOM files, to any depth, into one HDF5 file of axial CT slices in Hounsfield units.

Kept are CT images of one slice, axial within 10 degrees, brought to the standard orientation (front on top, patient's right on the
left). Left out and counted by reason are localisers, other modalities, reports, multi-frame files, other planes, and duplicates by
SOPInstanceUID or by pixels. A series is ordered by position. Patients go by PatientID; where that is empty by study or folder.

  python data_scripts/dicom_folder.py scans --out scans.h5 --every 5 --pixels 256

The source is whatever you have: fill in --title, --source, --licence and --citation, they become the file's data card.
Started again after an interruption it goes on. Then: ctrecon train data=slices data.file=scans.h5
"""

from pathlib import Path

from preparation import ct_file, ct_slice
from preparation.card import Card, verify
from preparation.command_line import file_parser, run
from preparation.row_file import already_made


def main() -> None:
    """The script."""
    parser = file_parser(__doc__)
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="where the DICOM files are")
    parser.add_argument("--title", default="DICOM folder", help="of the collection, for the card")
    for name in ("source", "licence", "citation"):
        parser.add_argument(f"--{name}", default="not told", help="for the card")
    ct_file.add_choice(parser)
    options = parser.parse_args()
    if options.verify:
        verify(options.out)
        return
    if not options.folders:
        parser.error("expected at least one FOLDER")
    selection = f"{ct_file.HU_RULE}, of {', '.join(map(str, options.folders))}{ct_file.choice(options)}"
    card = Card(options.title, options.source, options.licence, options.citation, selection)
    if not already_made(options.out, card):
        ct_file.write(*ct_slice.find(options.folders), card, options)


if __name__ == "__main__":
    run(main)
