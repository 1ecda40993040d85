"""CT slices into the image layout: chosen, without duplicates, of one size."""

from argparse import ArgumentParser, Namespace
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from skimage.transform import resize_local_mean

from ctrecon.errors import InputError
from ctrecon.files.dicom import read_hu
from preparation.card import Card
from preparation.command_line import positive
from preparation.ct_slice import CTSlice, fingerprint
from preparation.row_file import Rejected, growing


@dataclass(frozen=True)
class Values:
    """What the pixels of a file are.

    Attributes:
        unit: HU or attenuation.
        kind: Type of the numbers stored.
        outside: Value around the slice where it is padded.
        read: The pixels of a DICOM file. Raises InputError where they cannot be read.
        make: Of a slice and its upright pixels the values, or raises Rejected.
    """

    unit: str
    kind: str
    outside: float
    read: Callable[[Path], np.ndarray]
    make: Callable[[CTSlice, np.ndarray], np.ndarray]


HU_RULE = "axial CT slices in standard orientation, whole Hounsfield units, duplicates by SOPInstanceUID or pixels left out"
HU = Values("HU", "<i2", -1000.0, read_hu, lambda one, hu: hu)


def add_choice(parser: ArgumentParser) -> None:
    """The options that choose among slices and bring them to one size."""
    parser.add_argument("--every", type=positive, metavar="K", help="take every K-th slice of a series")
    parser.add_argument("--max-per-patient", type=positive, metavar="N", help="look at no more slices of a patient, evenly spread")
    parser.add_argument("--square", choices=("cut", "pad"), help="cut or pad (with air) slices about their middle to squares")
    parser.add_argument("--pixels", type=positive, metavar="N", help="resample to N x N by the mean over each pixel's area")


def choice(options: Namespace) -> str:
    """Those options in words, for the card."""
    words = {
        "every": "every {} slices",
        "max_per_patient": "at most {} a patient",
        "square": "{} to squares",
        "pixels": "{} pixels",
    }
    return "".join(f", {text.format(value)}" for name, text in words.items() if (value := getattr(options, name)) is not None)


def write(
    slices: list[CTSlice],
    rejected: Counter[str],
    card: Card,
    options: Namespace,
    values: Values = HU,
    split: dict[str, str] | None = None,
) -> None:
    """Write the chosen slices to `options.out`, with the split of each patient where there is one."""
    chosen = thin(slices, options.every or 1, options.max_per_patient)
    pixels = side([one.shape for one in chosen], options.square, options.pixels)
    with growing(options.out, card, {"images": (values.kind, (pixels, pixels))}, {one.uid: one for one in chosen}) as file:
        seen = {row["pixels_sha256"] for row in file.rows}

        def read(one: CTSlice) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
            try:
                stored = one.upright(values.read(one.path))
            except InputError:
                raise Rejected("unreadable pixels") from None
            if not np.isfinite(stored).all():
                raise Rejected("NaN or infinite values")
            image = values.make(one, stored)
            sha256 = fingerprint(stored)
            if sha256 in seen:
                raise Rejected("duplicate pixels")
            seen.add(sha256)
            scale = _squared(one.shape, options.square)[0] / pixels
            row = {"patient": one.patient, "pixel_m": [length * scale for length in one.pixel_m], "pixels_sha256": sha256}
            fitted = fit(image, options.square, pixels, values.outside)
            return {"images": whole(fitted, values.kind)}, row | ({"split": split[one.patient]} if split else {})

        file.fill(read)
        left = {"not chosen (--every, --max-per-patient)": len(slices) - len(chosen)}
        file.finish({"unit": values.unit}, {}, rejected + Counter(left))


def thin(slices: list[CTSlice], every: int, most: int | None) -> list[CTSlice]:
    """Every so many slices of a series, and at most so many of a patient, evenly spread over theirs."""
    series: dict[str, list[CTSlice]] = defaultdict(list)
    for one in slices:
        series[one.series].append(one)
    patients: dict[str, list[CTSlice]] = defaultdict(list)
    for one in chain(*(members[::every] for members in series.values())):
        patients[one.patient].append(one)
    return list(chain(*(_spread(members, most or len(members)) for members in patients.values())))


def side(shapes: list[tuple[int, int]], square: str | None, pixels: int | None) -> int:
    """Rows and columns of all images in the end. Raises InputError where they would differ."""
    counts = Counter(_squared(shape, square) for shape in shapes)
    sizes = ", ".join(f"{number} of {rows} x {columns}" for (rows, columns), number in sorted(counts.items()))
    if any(rows != columns for rows, columns in counts):
        raise InputError(f"slices that are not square: {sizes}; expected square ones: add --square cut or --square pad")
    if pixels is None and len(counts) > 1:
        raise InputError(f"slices of unequal sizes: {sizes}; expected one size: add --pixels N, such as --pixels {min(counts)[0]}")
    return pixels or min(counts)[0]


def fit(image: np.ndarray, square: str | None, pixels: int, outside: float) -> np.ndarray:
    """An image cut or padded about its middle to a square, then brought to a size by the mean over each new pixel's area."""
    for axis, (length, wanted) in enumerate(zip(image.shape, _squared(image.shape, square), strict=True)):
        before = abs(wanted - length) // 2
        if wanted < length:
            image = image.take(range(before, before + wanted), axis)
        else:
            around = [(0, 0), (0, 0)]
            around[axis] = (before, wanted - length - before)
            image = np.pad(image, around, constant_values=outside)
    return image if len(image) == pixels else resize_local_mean(image, (pixels, pixels), preserve_range=True)


def whole(image: np.ndarray, kind: str) -> np.ndarray:
    """Values rounded and clipped to a type of whole numbers; as they are for others."""
    if not np.issubdtype(np.dtype(kind), np.integer):
        return image
    return np.rint(image).clip(np.iinfo(kind).min, np.iinfo(kind).max)


def _spread(members: list[CTSlice], most: int) -> list[CTSlice]:
    number = min(most, len(members))
    return [members[k * len(members) // number] for k in range(number)]


def _squared(shape: tuple[int, int], square: str | None) -> tuple[int, int]:
    return shape if square is None else (max(shape),) * 2 if square == "pad" else (min(shape),) * 2
