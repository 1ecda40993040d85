"""What a configuration builds, in numbers."""

import time
from collections.abc import Iterable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ctrecon.config.experiment import model_of
from ctrecon.config.options import options
from ctrecon.config.place import DrawingOut, RunFolder
from ctrecon.config.words import Words
from ctrecon.errors import InputError
from ctrecon.measure.metrics import equivariance_error, transpose_defect
from ctrecon.models.model import Model
from ctrecon.physics.geometry import Geometry
from ctrecon.physics.stored_matrix import matrix_bytes
from ctrecon.report.drawing import write_drawing
from ctrecon.report.scan import LEGEND, as_text, draw
from ctrecon.shapes import Sinogram

CONVOLUTIONS = (torch.ops.aten.convolution, torch.ops.aten._convolution)
MEASURED_BELOW = 2**30  # bytes of the whole matrix and its transpose: larger scans take long to try


def main(words: Iterable[str]) -> None:
    """ctrecon show."""
    chosen, rest = options("show", words)
    show(**chosen, words=rest)


def show(run: RunFolder | None, out: DrawingOut | None, overwrite: bool, words: Words) -> None:
    """Print what the model of words or of a run is, and draw its scan into a file."""
    model = model_of(run, words)[1]
    if out:
        write_drawing(draw(model.geometry), out, overwrite)
    print(describe(model))
    if out:
        print(f"written: {out}")


@torch.no_grad()
def describe(model: Model) -> str:
    """The scan drawn, and lines of `name: value` on geometry, ray transform and model, with the weights that it has."""
    geometry, ray = model.geometry, getattr(model, "ray", None)
    lines = {
        "geometry": _scan(geometry),
        "image": f"{geometry.pixels} x {geometry.pixels} pixels of {1000 * geometry.pixel_m:.4g} mm",
        "symmetry": _symmetry(geometry),
        "model": f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters",
    }
    lines |= model.describe()
    if ray is not None:
        lines["projector"] = ray.projector.describe()
        if 2 * matrix_bytes(geometry) * len(geometry.moves()) > MEASURED_BELOW:
            lines["ray transform"] = "too large to try it here"
            return _page(geometry, lines)
        lines["ray transform"] = f"norm {ray.norm:.4g} m, transpose defect {transpose_defect(ray):.1e}"
    return _page(geometry, lines | _tried(model))


def _page(geometry: Geometry, lines: dict[str, str]) -> str:
    width = max(map(len, lines))
    text = "\n".join(f"{name:>{width}}: {value}" for name, value in lines.items())
    return f"{as_text(geometry)}\n{LEGEND}\n\n{text}"


def _tried(model: Model) -> dict[str, str]:
    """What a reconstruction costs, and how far it turns with its sinogram."""
    geometry = model.geometry
    y = torch.rand(1, 1, *geometry.shape, generator=torch.Generator().manual_seed(0)) * geometry.fov_m
    model.eval()(y)  # makes what is made at first use
    began = time.perf_counter()
    model(y)
    lines = {"one image": f"{time.perf_counter() - began:.2g} s on this machine's CPU"}
    if number := multiplications(model, y):
        lines["one image"] += f", {number / 1e9:.3g} billion multiplications in convolutions"
    try:
        error = equivariance_error(model, y, geometry.turn)
    except InputError:
        return lines
    return lines | {"equivariance": f"a quarter turn of the sinogram turns the image, to {error:.1e} of its largest value"}


@torch.no_grad()
def multiplications(model: Model, y: Sinogram) -> int:
    """How many multiplications of numbers a model's convolutions take for sinograms that it has seen the like of before."""
    with FlopCounterMode(display=False) as counter:
        model(y)
    counts = counter.get_flop_counts().get("Global", {})
    return sum(counts.get(op, 0) for op in CONVOLUTIONS) // 2  # each with an addition


def _scan(geometry: Geometry) -> str:
    first, last = np.rad2deg(geometry.angles_rad[[0, -1]])
    views, bins = geometry.shape
    return f"{type(geometry).__name__}, {views} views from {first:g} to {last:g} degrees, {bins} bins of {1000 * geometry.bin_m:.4g} mm"


def _symmetry(geometry: Geometry) -> str:
    moves = geometry.moves()
    turns = sum(not move.mirrored for move in moves)
    quarter = "" if turns == 4 else ", no quarter turn"
    return f"{turns} of 4 turns and {len(moves) - turns} of 4 mirrors map the rays to themselves{quarter}"
