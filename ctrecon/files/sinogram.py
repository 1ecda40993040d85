"""Sinograms that people bring and take away, with the geometry beside them.

Their unit is a word: metres (the integrals of attenuation / mu_max), log (-log(I/I0), those of attenuation in 1/m), or unknown.
"""

import io
import re
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import tifffile
import torch
from jaxtyping import Float

from ctrecon.disk.atomic import check_free, writable, write_files
from ctrecon.disk.format import SINOGRAM, suffix_of
from ctrecon.disk.hdf5 import as_hdf5, attribute, check_ours, open_hdf5
from ctrecon.disk.reading import MOST_TEXT, as_numbers, reading
from ctrecon.errors import InputError
from ctrecon.files.array import ArrayFile, Shape
from ctrecon.files.stored import OPEN
from ctrecon.files.unit import Unit, sinogram_unit
from ctrecon.physics.attenuation import MU_MAX
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram

UNIT = re.compile(r"^unit: *(\w+)", re.MULTILINE)  # in the text beside a sinogram
GEOMETRY = re.compile(r"^_target_:", re.MULTILINE)  # is in the text of one, and not in a run's configuration


class SinogramFile:
    """An open file with a measured sinogram, or a stack of them, of a geometry.

    Args:
        path: A .npy, .npz, .h5, .tif or .mat file with views along the rows.
        name: Name of the dataset, where the file holds several.
        unit: metres, log or unknown; None: what the file says, or the text beside it.
        geometry: The scan. Where the file has all views of the scanner and the geometry uses a part, that part is taken.

    Raises:
        InputError: The file cannot be read.
    """

    def __init__(self, path: str, name: str, unit: str | None, geometry: Geometry) -> None:
        self.path, self.unit, self.geometry = path, unit, geometry
        self._file = ArrayFile(Path(path), name)

    def __enter__(self) -> "SinogramFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.__exit__()

    def __len__(self) -> int:
        """How many sinograms there are."""
        return len(self._file)

    def read(self, index: int | None) -> tuple[Sinogram, Unit]:
        """A sinogram (1, 1, A, D), and the unit of the image that it is of.

        What is known becomes metres, and the image attenuation / mu_max; what is not stays as it is.

        Args:
            index: Which of a stack; None: there is one.

        Raises:
            InputError: There is no such sinogram of this geometry.
        """
        array, label = self._file.read(index, self._check)
        y = torch.from_numpy(self.geometry.used(array))[None, None]
        if not y.any():
            raise InputError(f"{self.path}: all values are zero; expected a measurement")
        of = sinogram_unit(self.unit or label.unit or _unit_beside(self.path))
        if of is Unit.UNKNOWN:
            return y, of
        return of.to_relative(y), Unit.RELATIVE

    def _check(self, shape: Shape) -> None:
        geometry, path = self.geometry, self.path
        whole = (geometry.seen.scanned, geometry.bins)
        if shape[::-1] in (whole, geometry.shape) and shape not in (whole, geometry.shape):
            raise InputError(
                f"{path}: sinogram of {shape[0]} x {shape[1]} values, the geometry has {shape[1]} views x {shape[0]} bins: expected views "
                "along the rows: transpose it"
            )
        if shape != whole:
            geometry.check(torch.empty(1, 1, *shape, device="meta"), f"{path}: sinogram")


def read_sinogram(path: str, name: str, index: int | None, unit: str | None, geometry: Geometry) -> tuple[Sinogram, Unit]:
    """One sinogram of a file, and the unit of the image that it is of. Arguments and errors are those of `SinogramFile` and its `read`."""
    with SinogramFile(path, name, unit, geometry) as file:
        return file.read(index)


def _unit_beside(path: str) -> str | None:
    beside = Path(path).with_suffix(".yaml")
    found = UNIT.search(_text(beside)) if beside.is_file() else None
    return found and found[1]


def check_scale(path: str, y: Sinogram, geometry: Geometry) -> None:
    """Raises InputError where a sinogram in metres has larger values than an object could give: it is of another unit."""
    # No path through the object is longer than the diagonal and no value above 1, noise apart.
    longest, largest = 2**0.5 * geometry.fov_m, float(y.max())
    if largest > 2 * longest:
        raise InputError(
            f"{path}: values up to {largest:.4g} m through an object of {longest:.3g} m (as -log(I/I0), {largest * MU_MAX:.4g}); is it "
            "-log(I/I0)? then say unit=log; are these counts? take -log(counts / flat field); unit=unknown goes into models that take any"
        )


def geometry_with(path: str) -> tuple[Path, str] | None:
    """The geometry that comes with a sinogram file, as (where it stands, YAML text): a YAML beside it, or `geometry` in the file.

    Files of others use that key for prose: inside a file only a text with a `_target_` counts.
    """
    where = Path(path)
    if not where.is_file():
        return None  # reading the sinogram will tell
    beside = where.with_suffix(".yaml")
    if beside.is_file():
        return beside, _text(beside)
    text = _text_inside(where)
    return (where, text) if "_target_:" in text else None


def _text(path: Path) -> str:
    """A short text file. Raises InputError where it is long."""
    if path.stat().st_size > MOST_TEXT:
        raise InputError(f"{path}: {path.stat().st_size} bytes; expected a geometry, of at most {MOST_TEXT}")
    return path.read_text(errors="replace")


def _text_inside(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".h5", ".hdf5"):
        with open_hdf5(path) as file:
            return attribute(file, "geometry") or ""
    if suffix in (".npz", ".mat"):
        try:
            with reading(path, suffix), ExitStack() as stack:
                stored = OPEN[suffix](path, "geometry", stack)
                small = stored.dtype.kind == "U" and stored.dtype.itemsize <= 4 * MOST_TEXT
                return str(stored.read(None).item()) if small else ""
        except InputError:  # none in it, or not one text, or not readable: reading the sinogram will tell
            return ""
    return ""


def check_output(path: str, *inputs: str | Path | None, overwrite: bool = False) -> Path:
    """The path of a sinogram to write, which is none of the inputs.

    Raises:
        InputError: It has no such suffix, or what is there, or where its geometry will be, is an input, something else, or was not to be
            replaced.
        OSError: Nothing can be written there.
    """
    where = writable(path, SINOGRAM, *inputs)
    check_ours(where, "sinogram")
    beside = where.with_suffix(".yaml")
    if beside.exists() and not (beside.is_file() and GEOMETRY.search(_text(beside) or "_target_:")):
        raise InputError(f"out={path}: its geometry goes to {beside}, where something else is; remove that or choose another name")
    check_free(path, overwrite, where, beside)
    return where


def write_sinogram(path: Path, y: Float[np.ndarray, "*N A D"], geometry: str) -> Path:
    """Write a sinogram in metres, or a stack of them, in the format of its suffix, and its geometry and unit, a YAML text, beside it; returns where that is.

    Formats that hold several things (.npz, .h5, .mat) have them inside too.

    Raises:
        InputError: Values are not finite.
        OSError: The disk is full; then both are what they were.
    """
    beside = path.with_suffix(".yaml")
    content = _AS[suffix_of(path)](as_numbers(y, f"{path}: the sinogram"), geometry)
    write_files({path: content, beside: f"unit: metres  # of the sinogram\n{geometry}".encode()})
    return beside


def _as_npy(y: np.ndarray, geometry: str) -> bytes:
    content = io.BytesIO()
    np.save(content, y)
    return content.getvalue()


def _as_npz(y: np.ndarray, geometry: str) -> bytes:
    content = io.BytesIO()
    np.savez(content, sinogram=y, geometry=geometry, unit="metres")
    return content.getvalue()


def _as_tif(y: np.ndarray, geometry: str) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, y)
    return content.getvalue()


def _as_mat(y: np.ndarray, geometry: str) -> bytes:
    import scipy.io  # takes a quarter of a second to load

    content = io.BytesIO()
    scipy.io.savemat(content, {"sinogram": y, "geometry": geometry, "unit": "metres"})
    return content.getvalue()


_AS = {
    ".npy": _as_npy,
    ".npz": _as_npz,
    ".h5": lambda y, geometry: as_hdf5({"sinogram": y}, {"geometry": geometry}, {"sinogram": {"unit": "metres"}}),
    ".tif": _as_tif,
    ".mat": _as_mat,
}
