"""What a configuration builds, in numbers."""

import time

import numpy as np
import torch

from ctrecon.errors import InputError
from ctrecon.measure import equivariance_error, transpose_defect
from ctrecon.models.cell import Cell
from ctrecon.models.model import Model
from ctrecon.models.unrolled import Unrolled
from ctrecon.physics.geometry import Geometry
from ctrecon.shapes import Sinogram


@torch.no_grad()
def describe(model: Model) -> str:
    """Lines of `name: value` on the geometry, the ray transform and the model, with the weights that it has."""
    geometry = model.geometry
    y = torch.rand(1, 1, *geometry.shape, generator=torch.Generator().manual_seed(0)) * geometry.fov_m
    began = time.perf_counter()
    model.eval()(y)
    seconds = time.perf_counter() - began
    lines = {
        "geometry": _scan(geometry),
        "image": f"{geometry.pixels} x {geometry.pixels} pixels of {1000 * geometry.pixel_m:.4g} mm",
        "quarter turn": _quarter_turn(model, y),
        "model": f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters",
        "one image": f"{seconds:.2g} s on this machine's CPU",
    }
    if isinstance(model, Unrolled):
        lines |= _unrolled(model)
    width = max(map(len, lines))
    return "\n".join(f"{name:>{width}}: {value}" for name, value in lines.items())


def _scan(geometry: Geometry) -> str:
    first, last = np.rad2deg(geometry.angles_rad[[0, -1]])
    views, bins = geometry.shape
    return f"{type(geometry).__name__}, {views} views from {first:g} to {last:g} degrees, {bins} bins of {1000 * geometry.bin_m:.4g} mm"


def _quarter_turn(model: Model, y: Sinogram) -> str:
    """What a quarter turn of the object does to the views and to the reconstruction."""
    try:
        shift = model.geometry.quarter()
    except InputError as error:
        return f"none: {error}"
    error = equivariance_error(model, y, model.geometry.turn)
    return f"shifts {shift} views; the reconstruction turns along to {error:.1e} of its largest value"


def _unrolled(model: Unrolled) -> dict[str, str]:
    ray, family, cell = model.term.ray, model.family, model.cells[0]
    entries = sum(part.values().numel() for part in (ray.projector.matrix, ray.projector.transposed))
    counts = ", ".join(f"{layer.weight.numel() + layer.bias.numel():,}" for layer in cell.convolutions())
    return {
        "ray transform": f"norm {ray.norm:.4g} m, {entries:,} stored entries ({8 * entries / 2**20:.0f} MiB), "
        f"transpose defect {transpose_defect(ray):.1e}",
        "features": f"{type(family).__name__}, {family.width} channels, rotations: {family.rotations}",
        "cell": f"{counts} parameters a convolution; {len(model.cells)} cells, memory {model.memory}",
        "block": _block(cell, model.geometry.pixels),
    }


def _block(cell: Cell, pixels: int) -> str:
    if not len(cell.blocks):
        return "none"
    block = cell.blocks[0]
    step = block.time / block.steps
    return (
        f"{len(cell.blocks)} of {type(block.field).__name__}, {block.steps} steps of {step:g} (order {block.integrator.order}); "
        f"step times Lipschitz constant {step * block.field.rate((pixels, pixels)):.3g}"
    )
