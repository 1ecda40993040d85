"""Measure a model on validation pairs."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from ctrecon.data.pairs import Pairs
from ctrecon.errors import InputError
from ctrecon.measure.metrics import psnr, ssim
from ctrecon.objective.attempt import Setting
from ctrecon.objective.split import left_out_deviance
from ctrecon.runs.digits import quality
from ctrecon.runs.run import Run

SETS = 5  # of views, one of which is held out of a sinogram where there is no truth


@torch.no_grad()
def validate(
    fabric: Fabric,
    setting: Setting,
    pairs: Pairs,
    together: int = 1,
    after: Callable[[int], None] = lambda measured: None,
    held_out: bool = False,
) -> tuple[dict[str, float], int]:
    """Mean PSNR and SSIM over the pairs whose truth is not constant, each process measuring its share; NaN where there is no truth.

    The model is left in evaluation mode.

    Args:
        fabric: Where.
        setting: The model on its scan.
        pairs: The pairs.
        together: How many go through the model at a time.
        after: Is told after each time how many went through.
        held_out: Whether `held_out` is measured as well, which needs no truth: the mean deviance of views that the model was not given, every
            `SETS`-th of a sinogram, from its image of the others; in the mean 1/2 for the true image.

    Returns:
        The means by name, and how many pairs are left out of PSNR and SSIM.

    Raises:
        InputError: An image has values that are not finite.
    """
    model = setting.model.eval()
    sums = np.zeros(5)  # of PSNR, SSIM and their pairs; of held-out deviance and its pairs
    for indices in batched(range(fabric.global_rank, len(pairs), fabric.world_size), together):
        every = [(index, *pairs.pair(index)) for index in indices]
        shown = [(index, x[0, 0].numpy(), y) for index, x, y in every if x.min() < x.max()]
        if shown:
            with fabric.autocast():
                images = model(torch.cat([y for *_, y in shown]).to(fabric.device)).float().cpu()[:, 0].numpy()
            for (index, truth, _), image in zip(shown, images, strict=True):
                if not np.isfinite(image).all():
                    raise InputError(f"validation image {pairs.rows[index]}: the model gives NaN or infinite values: lower fit.lr")
                sums += psnr(image, truth), ssim(image, truth), 1, 0, 0
        if held_out:
            for index, _, y in every:
                left_out = index % SETS if setting.held_out is None else setting.held_out
                with fabric.autocast():
                    sums += 0, 0, 0, left_out_deviance(setting, y.to(fabric.device), left_out, SETS).item(), 1
        after(len(indices))
    psnrs, ssims, counted, deviances, judged = fabric.all_reduce(torch.from_numpy(sums).to(fabric.device), reduce_op="sum").tolist()
    means = {"psnr": psnrs / counted, "ssim": ssims / counted} if counted else {"psnr": math.nan, "ssim": math.nan}
    return means | ({"held_out": deviances / judged} if held_out else {}), len(pairs) - int(counted)


def reported(scores: dict[str, Any]) -> dict[str, float | None]:
    """What a run reports of a validation."""
    return {"best": None if math.isnan(scores["psnr"]) else scores["psnr"], "held_out": scores.get("held_out")}


def said(scores: dict[str, Any]) -> str:
    """A validation in words."""
    truth = "" if math.isnan(scores["psnr"]) else quality(scores["psnr"], scores["ssim"])
    return ", ".join(
        part for part in (truth, f"held-out deviance {scores['held_out']:.4f}" if "held_out" in scores else "") if part
    )


def batched(items: Iterable[int], size: int) -> Iterator[tuple[int, ...]]:
    """Items in groups of that size, the last of which may be smaller (itertools has it from Python 3.12 on)."""
    items = iter(items)
    while group := tuple(islice(items, size)):
        yield group


def check_validation(pairs: Pairs) -> None:
    """Raises InputError where every truth is constant: an empty slice has no PSNR to choose the best weights by."""
    truths = (pairs.scanner.truth(pairs.collection.image(row)) for row in pairs.rows)
    if all(truth.min() == truth.max() for truth in truths):
        raise InputError(f"all {len(pairs)} validation images are constant and have no PSNR; expected at least one that is not")


def left_out_line(run: Run, left_out: int, pairs: Pairs) -> str:
    """What to say of pairs that are left out."""
    return f"{run.path}: {left_out} of {len(pairs)} validation images are constant, have no PSNR, and are left out"
