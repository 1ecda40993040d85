"""Reading the array in somebody's file, by its suffix."""

from pathlib import Path

import numpy as np
import scipy.io
import tifffile
from skimage.io import imread

from ctrecon.disk.hdf5 import dataset, open_hdf5
from ctrecon.errors import InputError

HDF5 = (".h5", ".hdf5")


def read_array(path: Path, name: str, index: int | None) -> np.ndarray:
    """The array in a .npy, .npz, .h5, .hdf5, .mat, .tif, .tiff or .png file, of at least two dimensions.

    Args:
        path: The file.
        name: Name of the array, where the file holds several.
        index: Which entry of a stack along the first dimension; None: the file holds one array, or a stack of one.

    Raises:
        InputError: The file is missing, unreadable, or does not hold such an array of real numbers.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix in HDF5:
        with open_hdf5(path) as opened:
            return _checked(_pick(dataset(opened, name), index, path), path)
    if suffix not in _READ:
        raise InputError(f"{path}: suffix {suffix or 'missing'}; expected one of {' '.join([*_READ, *HDF5])}")
    try:
        array = _READ[suffix](path, name)
    except InputError:
        raise
    except Exception as error:  # each format's reader raises kinds of its own
        raise InputError(
            f"{path}: cannot be read as {suffix} ({str(error).splitlines()[0] if str(error) else 'truncated'})"
        ) from None
    return _checked(_pick(array, index, path), path)


def read_named(path: Path, name: str) -> np.ndarray:
    """One array of a .npz or .mat file, whatever its type. Raises InputError where there is none of that name."""
    arrays = np.load(path, allow_pickle=False) if path.suffix.lower() == ".npz" else scipy.io.loadmat(path)
    names = [key for key in arrays if not key.startswith("__")]
    if name not in names:
        raise InputError(f"{path}: no array {name!r}; it has {', '.join(names) or 'none'}")
    return np.asarray(arrays[name])


_READ = {
    ".npy": lambda path, name: np.load(path, allow_pickle=False),
    ".npz": read_named,
    ".mat": read_named,
    ".tif": lambda path, name: tifffile.imread(path),
    ".tiff": lambda path, name: tifffile.imread(path),
    ".png": lambda path, name: _grey(imread(path)),
}


def _grey(picture: np.ndarray) -> np.ndarray:
    if picture.ndim != 2:
        raise InputError("a colour picture; expected a grey one")
    return picture / np.float32(np.iinfo(picture.dtype).max)


def _pick(array, index: int | None, path: Path) -> np.ndarray:
    """One 2-D array of an array or HDF5 dataset that may be a stack."""
    if array.ndim == 2 and index is None:
        return np.asarray(array[:])
    if array.ndim != 3:
        raise InputError(f"{path}: an array of shape {array.shape}; expected two dimensions, or three with index=N")
    return np.asarray(array[chosen(index, len(array), path)])


def chosen(index: int | None, size: int, path: Path | str) -> int:
    """Which of a stack. Raises InputError where it is not said, and there are several, or out of range."""
    if index is None and size > 1:
        raise InputError(f"{path}: a stack of {size}; say which with index=N, 0 to {size - 1}")
    if not 0 <= (index or 0) < size:
        raise InputError(f"index={index}: {path} holds {size}; expected 0 to {size - 1}")
    return index or 0


def _checked(array: np.ndarray, path: Path) -> np.ndarray:
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise InputError(f"{path}: an array of type {array.dtype}; expected real numbers")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise InputError(f"{path}: {bad} values are NaN or infinite; expected finite numbers: mask or interpolate them first")
    return array.astype(np.float32)
