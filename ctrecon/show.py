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

MEASURED_BELOW = 2**30  # bytes of the stored matrix: a larger one takes minutes to make, and is estimated
ENTRIES_PER_PIXEL = 1.2  # of the image's side, a ray; 1.13 to 1.27 were counted


@torch.no_grad()
def describe(model: Model) -> str:
    """Lines of `name: value` on the geometry, the ray transform and the model, with the weights that it has."""
    geometry = model.geometry
    lines = {
        "geometry": _scan(geometry),
        "image": f"{geometry.pixels} x {geometry.pixels} pixels of {1000 * geometry.pixel_m:.4g} mm",
        "quarter turn": _quarter_turn(geometry),
        "model": f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters",
    }
    views, bins = geometry.shape
    size = 2 * 8 * ENTRIES_PER_PIXEL * views * bins * geometry.pixels
    if isinstance(model, Unrolled):
        lines |= _network(model)
        if size > MEASURED_BELOW:
            lines["ray transform"] = f"a stored matrix of about {size / 2**30:.1f} GiB; too large to try it here"
            return _aligned(lines)
        lines["ray transform"] = _ray_transform(model)
    return _aligned(lines | _tried(model))


def _aligned(lines: dict[str, str]) -> str:
    width = max(map(len, lines))
    return "\n".join(f"{name:>{width}}: {value}" for name, value in lines.items())


def _tried(model: Model) -> dict[str, str]:
    """What a reconstruction costs, and how far it turns with its sinogram."""
    geometry = model.geometry
    y = torch.rand(1, 1, *geometry.shape, generator=torch.Generator().manual_seed(0)) * geometry.fov_m
    model.eval()(y)  # makes what is made at first use
    began = time.perf_counter()
    model(y)
    lines = {"one image": f"{time.perf_counter() - began:.2g} s on this machine's CPU"}
    try:
        error = equivariance_error(model, y, geometry.turn)
    except InputError:
        return lines
    return lines | {"equivariance": f"a quarter turn of the sinogram turns the image, to {error:.1e} of its largest value"}


def _scan(geometry: Geometry) -> str:
    first, last = np.rad2deg(geometry.angles_rad[[0, -1]])
    views, bins = geometry.shape
    return f"{type(geometry).__name__}, {views} views from {first:g} to {last:g} degrees, {bins} bins of {1000 * geometry.bin_m:.4g} mm"


def _quarter_turn(geometry: Geometry) -> str:
    try:
        return f"shifts {geometry.quarter()} views"
    except InputError as error:
        return f"none: {error}"


def _ray_transform(model: Unrolled) -> str:
    ray = model.term.ray
    entries = sum(part.values().numel() for part in (ray.projector.matrix, ray.projector.transposed))
    return f"norm {ray.norm:.4g} m, {entries:,} stored entries ({8 * entries / 2**20:.0f} MiB), transpose defect {transpose_defect(ray):.1e}"


def _network(model: Unrolled) -> dict[str, str]:
    family, cell = model.family, model.cells[0]
    counts = ", ".join(f"{layer.weight.numel() + layer.bias.numel():,}" for layer in cell.convolutions())
    return {
        "features": f"{type(family).__name__}, {family.width} channels, rotations: {family.rotations}",
        "cell": f"{counts} parameters a convolution; {len(model.cells)} cells, memory {model.memory}",
        "block": _block(cell, model.geometry.pixels),
    }


def _block(cell: Cell, pixels: int) -> str:
    if not len(cell.blocks):
        return "none"
    block, grid = cell.blocks[0], min(pixels, 64)  # norms hardly grow beyond, and cost more
    step = block.time / block.steps
    return (
        f"{len(cell.blocks)} of {type(block.field).__name__}, {block.steps} steps of {step:g} (order {block.integrator.order}); "
        f"step times Lipschitz constant {step * block.field.rate((grid, grid)):.3g} on {grid} x {grid}"
    )
