"""Measure a model on test images, upright and turned."""

import time
from typing import Any

import h5py
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ctrecon.data.augment import Pose
from ctrecon.data.pairs import Pairs
from ctrecon.disk.atomic import replacing
from ctrecon.errors import InputError
from ctrecon.evidence.bootstrap import estimate
from ctrecon.measure.metrics import DEFAULT, DEFINITIONS, all_metrics
from ctrecon.physics.fbp import FilteredBackProjection
from ctrecon.runs.run import EXAMPLES, HISTORY, METRICS, SUMMARY, Run

KEPT = 3  # test images kept as pictures


@torch.no_grad()
def evaluate(
    model: nn.Module, pairs: Pairs, turns: list[int | float], out: Run, identity: dict[str, Any], device: torch.device
) -> dict:
    """Reconstruct every test image at every turn and write metrics.csv, metrics.json and examples.h5.

    Args:
        model: The trained model.
        pairs: The test pairs.
        turns: Angles in degrees, counter-clockwise.
        out: Where the results go.
        identity: What else the summary says: the run's name, its parameters, the test set.
        device: Where the model runs.

    Returns:
        The summary, as in metrics.json.
    """
    model.to(device).eval()
    fbp = _fbp(pairs)
    rows: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    seconds = 0.0
    with tqdm(total=len(turns) * len(pairs), desc=f"evaluating {out.path}", unit="image", disable=None) as bar:
        for turn in turns:
            for index in range(len(pairs)):
                truth, y = pairs.pair(index, Pose(turn))
                began = time.perf_counter()
                image = model(y.to(device)).cpu()
                seconds += time.perf_counter() - began
                x, reference = image[0, 0].numpy(), truth[0, 0].numpy()
                rows.append({"image": pairs.rows[index], "patient": pairs.patient(index), "turn": turn} | all_metrics(x, reference))
                if index < KEPT:
                    kept.append({"turn": turn, "image": pairs.rows[index], "truth": reference, "reconstruction": x})
                    kept[-1] |= {"fbp": fbp(y)[0, 0].numpy()} if fbp else {}
                bar.update()
    summary = identity | {"seconds_per_image": seconds / len(rows)}
    summary |= {"default_definition": DEFAULT, "definitions": list(DEFINITIONS), "metrics": summarise(rows)}
    out.write_rows(METRICS, rows)
    _write_examples(out, kept)
    out.write_json(SUMMARY, summary)
    return summary


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Means with intervals, by turn and by column."""
    columns = [name for name in rows[0] if name not in ("image", "patient", "turn")]
    summary = {}
    for turn in dict.fromkeys(row["turn"] for row in rows):
        chosen = [row for row in rows if row["turn"] == turn]
        patients = [row["patient"] for row in chosen]
        summary[f"{turn:g}"] = {name: estimate([[row[name] for row in chosen]], patients).as_dict() for name in columns}
    return summary


def seconds_per_step(run: Run) -> float | None:
    """Training time over steps; None for a model that has nothing to fit."""
    last = run.read_rows(HISTORY)[-1] if (run / HISTORY).is_file() else {"step": "0"}
    return float(last["seconds"]) / int(last["step"]) if int(last["step"]) else None


def _fbp(pairs: Pairs) -> FilteredBackProjection | None:
    """The reference in the pictures, where the geometry has one."""
    try:
        return FilteredBackProjection(pairs.scanner.geometry, "hann")
    except InputError:
        return None


def _write_examples(out: Run, kept: list[dict[str, Any]]) -> None:
    with replacing(out / EXAMPLES) as temporary, h5py.File(temporary, "w") as file:
        for name in kept[0]:
            file[name] = np.stack([one[name] for one in kept])
