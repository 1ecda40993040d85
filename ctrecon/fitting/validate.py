"""Measure a model on validation pairs."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ctrecon.data.pairs import Pairs
from ctrecon.errors import InputError
from ctrecon.measure.metrics import psnr, ssim
from ctrecon.runs.run import Run


@torch.no_grad()
def validate(
    fabric: Fabric, model: nn.Module, pairs: Pairs, together: int = 1, after: Callable[[int], None] = lambda measured: None
) -> tuple[dict[str, float], int]:
    """Mean PSNR and SSIM over the pairs whose truth is not constant, each process measuring its share.

    The model is left in evaluation mode.

    Args:
        fabric: Where.
        model: The model.
        pairs: The pairs.
        together: How many go through the model at a time.
        after: Is told after each time how many went through.

    Returns:
        The means by name, and how many pairs are left out.

    Raises:
        InputError: An image has values that are not finite.
    """
    model.eval()
    sums = np.zeros(3)  # of PSNR, SSIM and pairs
    for indices in batched(range(fabric.global_rank, len(pairs), fabric.world_size), together):
        shown = [(index, *pairs.pair(index)) for index in indices]
        shown = [(index, x[0, 0].numpy(), y) for index, x, y in shown if x.min() < x.max()]
        if shown:
            with fabric.autocast():
                images = model(torch.cat([y for *_, y in shown]).to(fabric.device)).float().cpu()[:, 0].numpy()
            for (index, truth, _), image in zip(shown, images, strict=True):
                if not np.isfinite(image).all():
                    raise InputError(f"validation image {pairs.rows[index]}: the model gives NaN or infinite values: lower fit.lr")
                sums += psnr(image, truth), ssim(image, truth), 1
        after(len(indices))
    *totals, counted = fabric.all_reduce(torch.from_numpy(sums).to(fabric.device), reduce_op="sum").tolist()
    return dict(zip(("psnr", "ssim"), (total / counted for total in totals), strict=True)), len(pairs) - int(counted)


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
