"""Measure a model on validation pairs."""

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ctrecon.data.pairs import Pairs
from ctrecon.errors import InputError
from ctrecon.measure.metrics import psnr, ssim
from ctrecon.runs.run import Run


@torch.no_grad()
def validate(fabric: Fabric, model: nn.Module, pairs: Pairs) -> tuple[dict[str, float], int]:
    """Mean PSNR and SSIM over the pairs whose truth is not constant, each process measuring its share.

    The model is left in evaluation mode.

    Returns:
        The means by name, and how many pairs are left out.

    Raises:
        InputError: An image has values that are not finite.
    """
    model.eval()
    sums = np.zeros(3)  # of PSNR, SSIM and pairs
    for index in range(fabric.global_rank, len(pairs), fabric.world_size):
        x, y = pairs.pair(index)
        truth = x[0, 0].numpy()
        if np.ptp(truth) == 0:
            continue
        with fabric.autocast():
            image = model(y.to(fabric.device)).float().cpu()[0, 0].numpy()
        if not np.isfinite(image).all():
            raise InputError(f"validation image {pairs.rows[index]}: the model gives NaN or infinite values: lower fit.lr")
        sums += psnr(image, truth), ssim(image, truth), 1
    *totals, counted = fabric.all_reduce(torch.from_numpy(sums).to(fabric.device), reduce_op="sum").tolist()
    return dict(zip(("psnr", "ssim"), (total / counted for total in totals), strict=True)), len(pairs) - int(counted)


def check_validation(pairs: Pairs) -> None:
    """Raises InputError where every truth is constant: an empty slice has no PSNR to choose the best weights by."""
    truths = (pairs.scanner.truth(pairs.collection.image(row)) for row in pairs.rows)
    if all(truth.min() == truth.max() for truth in truths):
        raise InputError(f"all {len(pairs)} validation images are constant and have no PSNR; expected at least one that is not")


def left_out_line(run: Run, left_out: int, pairs: Pairs) -> str:
    """What to say of pairs that are left out."""
    return f"{run.path}: {left_out} of {len(pairs)} validation images are constant, have no PSNR, and are left out"
