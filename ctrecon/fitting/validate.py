"""Measure a model on validation pairs."""

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ctrecon.data.pairs import Pairs
from ctrecon.measure.metrics import psnr, ssim


@torch.no_grad()
def validate(fabric: Fabric, model: nn.Module, pairs: Pairs) -> dict[str, float]:
    """Mean PSNR and SSIM over the pairs, each process measuring its share; the model is left in evaluation mode."""
    model.eval()
    total = np.zeros(2)
    for index in range(fabric.global_rank, len(pairs), fabric.world_size):
        x, y = pairs.pair(index)
        with fabric.autocast():
            image = model(y.to(fabric.device)).float().cpu()[0, 0].numpy()
        total += psnr(image, x[0, 0].numpy()), ssim(image, x[0, 0].numpy())
    mean = fabric.all_reduce(torch.from_numpy(total).to(fabric.device), reduce_op="sum") / len(pairs)
    return {"psnr": mean[0].item(), "ssim": mean[1].item()}
