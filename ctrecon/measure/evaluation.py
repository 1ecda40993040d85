"""Measure reconstructions of test images, upright and turned: those of a model, or what else gives an image for a test sinogram."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ctrecon.data.augment import Pose
from ctrecon.data.pairs import Pairs
from ctrecon.errors import InputError
from ctrecon.evidence.bootstrap import estimate
from ctrecon.measure.metrics import DEFAULT, DEFINITIONS, all_metrics, check_pixels
from ctrecon.physics.fbp import FilteredBackProjection
from ctrecon.runs.results import Results
from ctrecon.runs.run import HISTORY, Run
from ctrecon.shapes import Image, Sinogram

KEPT = 3  # test images kept as pictures
Reconstruct = Callable[[int | float, int, Sinogram], Image]  # of a turn, the index of a test image and its sinogram, on the CPU


def by_model(model: nn.Module, device: torch.device) -> Reconstruct:
    """Reconstruct by a model in evaluation mode, on a device."""
    model.to(device).eval()
    return lambda turn, index, y: model(y.to(device)).cpu()


@torch.no_grad()
def evaluate(reconstruct: Reconstruct, pairs: Pairs, turns: list[int | float], results: Results, identity: dict[str, Any]) -> dict:
    """Reconstruct every test image at every turn and write metrics.csv, metrics.json and examples.h5.

    Args:
        reconstruct: Gives the image of each test sinogram.
        pairs: The test pairs.
        turns: Angles in degrees, counter-clockwise.
        results: Where they go.
        identity: What else the summary says: the run's name, its parameters, the test set; `seconds_per_image` where it is not what is
            measured here.

    Returns:
        The summary, as in metrics.json.

    Raises:
        InputError: An image has values that are not finite, or no image has a PSNR.
    """
    check_pixels(pairs.scanner.geometry.pixels)
    fbp = _fbp(pairs)
    rows: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    seconds = 0.0
    with tqdm(total=len(turns) * len(pairs), desc=f"evaluating {results.path}", unit="image", disable=None) as bar:
        for turn in turns:
            for index in range(len(pairs)):
                truth, y = pairs.pair(index, Pose(turn))
                began = time.perf_counter()
                image = reconstruct(turn, index, y)
                seconds += time.perf_counter() - began
                x, reference = image[0, 0].numpy(), truth[0, 0].numpy()
                if not np.isfinite(x).all():
                    raise InputError(
                        f"test image {pairs.rows[index]}, turned by {turn:g} degrees: the model gives NaN or infinite values"
                    )
                rows.append({"image": pairs.rows[index], "patient": pairs.patient(index), "turn": turn} | all_metrics(x, reference))
                if index < KEPT:
                    kept.append({"turn": turn, "image": pairs.rows[index], "truth": reference, "reconstruction": x})
                    kept[-1] |= {"fbp": fbp(y)[0, 0].numpy()} if fbp else {}
                bar.update()
    summary = {"seconds_per_image": seconds / len(rows)} | identity
    summary |= {"default_definition": DEFAULT, "definitions": list(DEFINITIONS)}
    summary |= {"metrics": summarise(rows), "undefined": undefined(rows)}
    results.write(rows, summary, {name: np.stack([one[name] for one in kept]) for name in kept[0]})
    return summary


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Means with intervals, by turn and by column, over the images for which the column is defined.

    Raises:
        InputError: There is no such image.
    """
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for turn in dict.fromkeys(row["turn"] for row in rows):
        summary[f"{turn:g}"] = {}
        for name in _columns(rows):
            defined = [row for row in rows if row["turn"] == turn and not math.isnan(row[name])]
            if not defined:
                raise InputError(f"turn {turn:g}: every test image is constant, so that {name} is undefined: expected another")
            mean = estimate([[row[name] for row in defined]], [row["patient"] for row in defined])
            summary[f"{turn:g}"][name] = mean.as_dict()
    return summary


def undefined(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many images and turns each column leaves out, where it does."""
    counts = {name: sum(math.isnan(row[name]) for row in rows) for name in _columns(rows)}
    return {name: count for name, count in counts.items() if count}


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return [name for name in rows[0] if name not in ("image", "patient", "turn")]


def seconds_per_step(run: Run) -> float | None:
    """Training time over steps; None where no step was taken. Raises InputError where the history is damaged."""
    rows = run.read_rows(HISTORY) if (run / HISTORY).is_file() else []
    try:
        return float(rows[-1]["seconds"]) / int(rows[-1]["step"]) if rows and int(rows[-1]["step"]) else None
    except (KeyError, ValueError):
        raise InputError(f"{run / HISTORY}: damaged (expected columns step and seconds); {run.cure}") from None


def _fbp(pairs: Pairs) -> FilteredBackProjection | None:
    """The reference in the pictures, where the geometry has one."""
    try:
        return FilteredBackProjection(pairs.scanner.geometry, "hann")
    except InputError:
        return None
