"""Exact transposes: <M x, y> = <x, M^T y>."""

from collections.abc import Iterator

import torch

from ctrecon.conv.convolution import Convolution
from ctrecon.guarantee.claim import Claim, Subject, worst
from ctrecon.measure.metrics import transpose_defect

EXACT = 1e-6  # of |M x| |y|: rounding in float32


@torch.no_grad()
def claims(subject: Subject) -> Iterator[Claim]:
    """The ray transform, and every convolution, whose transposes symmetric layers are made of."""
    projector = subject.ray.projector
    theory = "exact" if projector.transposed_to else ""
    yield Claim("transpose", "ray transform", theory, transpose_defect(subject.ray), projector.transposed_to)
    layers = [(name, m) for name, m in subject.model.named_modules() if isinstance(m, Convolution)]
    if layers:
        yield worst([Claim("transpose", f"convolution {name}", "exact", _defect(layer), EXACT) for name, layer in layers])


def _defect(layer: Convolution) -> float:
    kernel, generator = layer.filter(), torch.Generator().manual_seed(0)
    x = torch.randn(1, kernel.shape[1], 13, 12, generator=generator).to(kernel)
    y = torch.randn(1, kernel.shape[0], 13, 12, generator=generator).to(kernel)
    Kx, KTy = layer.linear(x), layer.transpose(y)
    difference = (Kx.double() * y).sum() - (x * KTy.double()).sum()
    return (difference.abs() / (Kx.norm() * y.norm()).clamp(min=1e-30)).item()
