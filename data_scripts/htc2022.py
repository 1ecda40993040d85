"""Turn the Helsinki Tomography Challenge 2022's .mat files into one HDF5 file of measured fan-beam sinograms.

Acrylic discs of 70 mm with holes, 45 kV, 560 bins, a view each half degree. The files hold a struct CtDataFull or CtDataLimited with
-log(I/I0), flat-field and centre corrected. Where *_recon_fbp.mat lies beside all of them, these go in as references.

  python data_scripts/htc2022.py htc2022_ta_full.mat htc2022_tb_full.mat --out htc2022.h5
  python data_scripts/htc2022.py --record https://zenodo.org/api/records/8041800 --out htc2022.h5

Files of several scans (limited ranges that start elsewhere) go into files of their own: a file has one geometry. Then:
  ctrecon reconstruct sinogram=htc2022.h5 index=0 unit=log model=fbp out=disc.png
Source: Meaney, Silva de Moura and Siltanen, doi:10.5281/zenodo.8041800, CC BY 4.0.
"""

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from ctrecon.errors import InputError
from preparation.archive import unpack
from preparation.card import Card, verify
from preparation.command_line import file_parser, run
from preparation.mat_file import read_mat
from preparation.row_file import already_made
from preparation.sinogram_file import Scan, write

STRUCTS = ("CtDataFull", "CtDataLimited")
NUMBERS = ("distanceSourceDetector", "distanceSourceOrigin", "pixelSizePost", "effectivePixelSizePost")  # millimetres
PIXELS = 512  # of the challenge's reconstructions


def main() -> None:
    """The script."""
    parser = file_parser(__doc__)
    parser.add_argument("files", type=Path, nargs="*", metavar="MAT_FILE", help="the challenge's .mat files of one geometry")
    parser.add_argument("--record", metavar="URL", help="download from a record of Zenodo's API instead")
    parser.add_argument("--folder", type=Path, default=Path("htc2022"), help="where downloads are kept (default: htc2022)")
    parser.add_argument("--kind", choices=("full", "limited"), default="full", help="which files of the record (default: full)")
    options = parser.parse_args()
    if options.verify:
        verify(options.out)
        return
    if bool(options.files) == bool(options.record):
        parser.error("expected either MAT_FILEs or --record")
    chosen = f"all *_{options.kind}.mat of {options.record}" if options.record else ", ".join(path.name for path in options.files)
    card = Card(
        title="Helsinki Tomography Challenge 2022 open tomographic dataset (HTC2022)",
        source="Zenodo record 8041800, doi:10.5281/zenodo.8041800",
        licence="CC BY 4.0",
        citation="Meaney, Silva de Moura and Siltanen, Helsinki Tomography Challenge 2022 open tomographic dataset, Zenodo 2023",
        selection=f"sinograms as published, of {chosen}",
    )
    if already_made(options.out, card):
        return
    files = sorted(options.files or download(options))
    measured = {path: read_data(path) for path in files}
    geometries = {path: geometry_of(path, *measured[path]) for path in files}
    for path, geometry in geometries.items():
        if geometry != geometries[files[0]]:
            raise InputError(
                f"{path}: another geometry than {files[0]}; expected one in a file: convert them into files of their own"
            )
    referenced = all(reference_of(path).is_file() for path in files)
    items = {str(path): path for path in files}

    def read(path: Path) -> Scan:
        sinogram, parameters = measured[path]
        return Scan(name_of(path), sinogram, read_reference(path, parameters) if referenced else None)

    write(card, options, geometries[files[0]], referenced, items, read)


def download(options: Namespace) -> list[Path]:
    """The record's files, unpacked where they are archives; returns the sinograms of the wanted kind."""
    from preparation.download import fetch, read_record  # needs requests

    for file in read_record(options.record).files.values():
        if file.name.endswith(".zip"):
            unpack(fetch(file, options.folder), options.folder)
        elif file.name.endswith((f"_{options.kind}.mat", "_recon_fbp.mat")):
            fetch(file, options.folder)
    files = list(options.folder.rglob(f"*_{options.kind}.mat"))
    if not files:
        raise InputError(f"{options.record}: no *_{options.kind}.mat among its files; expected the challenge's record")
    return files


def reference_of(path: Path) -> Path:
    """Where the full-angle reconstruction of a sinogram's file lies: teaching data has `_full` in that name, test data has not."""
    taught = path.with_name(f"{path.stem}_recon_fbp.mat")
    return taught if taught.is_file() else path.with_name(f"{name_of(path)}_recon_fbp.mat")


def name_of(path: Path) -> str:
    """The disc's name."""
    return path.stem.removesuffix("_full").removesuffix("_limited")


def geometry_of(path: Path, sinogram: np.ndarray, parameters: dict[str, np.ndarray]) -> dict[str, Any]:
    """The scan in the form of conf/geometry. The challenge's angle 0 is ours of 90 degrees (conf/geometry/fan_htc2022.yaml)."""
    angles = parameters["angles"]
    if sinogram.ndim != 2 or len(angles) != len(sinogram) or len(angles) < 2:
        raise InputError(f"{path}: sinogram {sinogram.shape} with {len(angles)} angles; expected a row for each, evenly spaced")
    steps = np.diff(angles)
    if not np.allclose(steps, steps[0], atol=1e-6):
        raise InputError(f"{path}: angles that step by {steps.min():g} to {steps.max():g} degrees; expected evenly spaced ones")
    if not steps[0] > 0:
        raise InputError(f"{path}: angles that step by {steps[0]:g} degrees; expected growing ones")
    lengths = {name: float(parameters[name][0]) / 1000 for name in NUMBERS}
    return {
        "pixels": PIXELS,
        "fov_m": PIXELS * lengths["effectivePixelSizePost"],
        "views": len(angles),
        "bins": sinogram.shape[1],
        "bin_m": lengths["pixelSizePost"],
        "start_deg": 90.0 + float(angles[0]),
        "scan_views": len(angles),
        "step_deg": float(np.round(steps.mean(), 9)),
        "source_m": lengths["distanceSourceOrigin"],
        "detector_m": lengths["distanceSourceDetector"],
    }


def read_reference(path: Path, parameters: dict[str, np.ndarray]) -> np.ndarray:
    """A disc's reconstruction, which the challenge gives per effective pixel, in 1/m."""
    beside = reference_of(path)
    reference = read_mat(beside).get("reconFullFbp")
    if not isinstance(reference, np.ndarray):
        raise InputError(f"{beside}: no reconFullFbp in it; expected the challenge's full-angle reconstruction")
    return reference / (parameters["effectivePixelSizePost"][0] / 1000)


def read_data(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Sinogram and parameters of a file. Raises InputError where it is none of the challenge's."""
    content = read_mat(path)
    data = next((content[name] for name in STRUCTS if name in content), None)
    if not isinstance(data, dict):
        raise InputError(
            f"{path}: no struct {' or '.join(STRUCTS)}; it has {', '.join(content) or 'nothing'}: is it the challenge's?"
        )
    parameters = data.get("parameters") if isinstance(data.get("parameters"), dict) else {}
    wanted = {name: parameters.get(name) for name in (*NUMBERS, "angles")} | {"sinogram": data.get("sinogram")}
    missing = [name for name, value in wanted.items() if not isinstance(value, np.ndarray)]
    if missing:
        raise InputError(f"{path}: no {', '.join(missing)} in its struct; expected the numbers of the challenge's files")
    numbers = {name: value.astype(np.float64).ravel() for name, value in wanted.items() if name != "sinogram"}
    for name, value in numbers.items():
        if not np.isfinite(value).all() or (name in NUMBERS and not (value.size == 1 and value[0] > 0)):
            expected = "one positive number of millimetres" if name in NUMBERS else "finite numbers"
            raise InputError(f"{path}: {name} is {str(value.tolist())[:50]}; expected {expected}")
    return data["sinogram"].astype(np.float64), numbers


if __name__ == "__main__":
    run(main)
