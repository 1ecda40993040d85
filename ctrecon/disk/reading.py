"""Reading what others wrote: nothing that a file says is believed before it is checked, and every error is one line.

A file of a few bytes may declare an array of terabytes, or be compressed so that it grows a thousandfold. So a reader looks at the
declared shape first, and decompresses no more than that shape takes.
"""

import logging
import math
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ctrecon.errors import InputError

MOST_VALUES = 2**28  # of an array: an image of 16,384 x 16,384 pixels, 2 GiB in double precision
MOST_TEXT = 2**20  # bytes of a text, such as a geometry
DEFLATE = 1032  # a byte that zlib wrote gives at most that many


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator[None]:
    """While a library reads a file: its errors, of whatever class, become one line, and its warnings stay off the screen.

    Args:
        path: The file.
        kind: What it should be, such as ".tif" or "DICOM".

    Raises:
        InputError: The library fails.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # tifffile and pydicom log what they think of a file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a {kind} file") from None
    except Exception as error:  # each library raises kinds of its own
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InputError(f"{path}: cannot be read as {kind} ({reason}); is it complete?") from None
    finally:
        logging.disable(before)


def check_declared(shape: Sequence[int], dtype: np.dtype, where: str | Path) -> None:
    """What a file says about an array before that is read.

    Raises:
        InputError: It does not hold real numbers, or is too large.
    """
    if dtype.kind not in "iuf":  # no truth values, dates, texts or objects
        raise InputError(f"{where}: an array of type {dtype}; expected real numbers")
    if math.prod(shape) > MOST_VALUES:
        raise InputError(
            f"{where}: an array of {' x '.join(map(str, shape))} values; expected at most {MOST_VALUES} (16384 x 16384): cut it"
        )


def as_numbers(array: np.ndarray, where: str | Path) -> np.ndarray:
    """An array in single precision. Raises InputError where it does not hold real numbers that are finite in it."""
    check_declared(array.shape, array.dtype, where)
    with np.errstate(over="ignore"):
        numbers = np.array(array, dtype=np.float32)
    if not np.isfinite(numbers).all():
        if bad := int((~np.isfinite(array)).sum()):
            raise InputError(f"{where}: {bad} values are NaN or infinite; expected finite numbers: mask or interpolate them first")
        raise InputError(
            f"{where}: values up to {np.abs(array).max():.3g}; expected at most 3.4e38, the largest of single precision"
        )
    return numbers


def check_inflated(packed: bytes, limit: int, where: str | Path, bits: int = zlib.MAX_WBITS) -> None:
    """Decompress without keeping the result. Raises InputError where it takes more bytes than the array that it is said to be.

    Args:
        packed: What zlib compressed.
        limit: Bytes that the result may take.
        where: The file.
        bits: As zlib's `wbits`: how it is wrapped.
    """
    if len(packed) * DEFLATE <= limit:
        return
    unpack, total = zlib.decompressobj(bits), 0
    while packed and not unpack.eof:
        total += len(unpack.decompress(packed, 2**20))
        packed = unpack.unconsumed_tail
        if total > limit:
            raise InputError(f"{where}: compressed data that are larger than they say ({limit} bytes): is the file damaged?")
