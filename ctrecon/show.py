"""What a configuration builds, in numbers."""

import math
import time

import torch

from ctrecon.build import Experiment
from ctrecon.errors import InputError
from ctrecon.measure import equivariance_error, transpose_defect
from ctrecon.models.unrolled import Unrolled


@torch.no_grad()
def describe(experiment: Experiment) -> str:
    """Lines of `name: value` on the geometry, the ray transform and the model with freshly drawn weights."""
    geometry, model = experiment.geometry, experiment.model()
    views, bins = geometry.shape
    degrees = [math.degrees(angle) for angle in (geometry.angles_rad[0], geometry.angles_rad[-1])]
    y = torch.rand(1, 1, views, bins, generator=torch.Generator().manual_seed(0)) * geometry.fov_m
    began = time.perf_counter()
    model(y)
    seconds = time.perf_counter() - began
    lines = {
        "geometry": f"{type(geometry).__name__}, {views} views from {degrees[0]:g} to {degrees[1]:g} degrees, {bins} bins of {1000 * geometry.bin_m:.4g} mm",
        "image": f"{geometry.pixels} x {geometry.pixels} pixels of {1000 * geometry.pixel_m:.4g} mm",
        "quarter turn": _quarter_turn(experiment),
        "model": f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters",
        "one image": f"{seconds:.2g} s on this machine's CPU",
    }
    if isinstance(model, Unrolled):
        ray, cell = model.term.ray, model.cells[0]
        stored = sum(part.values().numel() for part in (ray.projector.matrix, ray.projector.transposed))
        lines |= {
            "ray transform": f"norm {ray.norm:.4g} m, {stored:,} stored entries ({8 * stored / 2**20:.0f} MiB), transpose defect {transpose_defect(ray):.1e}",
            "features": f"{type(model.family).__name__}, {model.family.width} channels, rotations: {model.family.rotations}",
            "cell": ", ".join(f"{layer.weight.numel() + layer.bias.numel():,}" for layer in cell.convolutions())
            + f" parameters a convolution; {len(model.cells)} cells, memory {model.memory}",
            "block": f"{_block(cell, geometry.pixels)}",
        }
    width = max(map(len, lines))
    return "\n".join(f"{name:>{width}}: {value}" for name, value in lines.items())


def _quarter_turn(experiment: Experiment) -> str:
    """What a quarter turn of the object does to views and, at the start of training, to the reconstruction."""
    geometry, model = experiment.geometry, experiment.model()
    try:
        shift = geometry.quarter()
    except InputError as error:
        return f"none: {error}"
    y = torch.rand(1, 1, *geometry.shape, generator=torch.Generator().manual_seed(0)) * geometry.fov_m
    return f"shifts {shift} views; changes the untrained reconstruction by {equivariance_error(model, y, geometry.turn):.1e} of its largest value"


def _block(cell, pixels: int) -> str:
    if not len(cell.blocks):
        return "none"
    block = cell.blocks[0]
    step = block.time / block.steps
    return (
        f"{len(cell.blocks)} of {type(block.field).__name__}, {block.steps} steps of {step:g} (order {block.integrator.order}); "
        f"step times Lipschitz constant {step * block.field.rate((pixels, pixels)):.3g}"
    )
