"""Pictures of reconstructions."""

from pathlib import Path
from textwrap import fill

import h5py
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ctrecon.errors import InputError
from ctrecon.evidence.comparison import Comparison
from ctrecon.measure.metrics import psnr, ssim
from ctrecon.report.chart import literal
from ctrecon.runs.digits import quality
from ctrecon.runs.results import EXAMPLES

LETTERS = 26  # of a line above a picture
Picture = Float[np.ndarray, "H W"]


Story = tuple[str, Picture, dict[str, Picture]]  # what is seen, the truth, reconstructions by name


def pictures(comparison: Comparison) -> Figure:
    """Ground truth, FBP and each contestant (its first seed) on the first kept test image at each turn; zooms and differences below.

    Raises:
        InputError: A run has no examples.h5.
    """
    every = stories(comparison)
    return picture(every[:: len(every) // len(comparison.turns)])


def stories(comparison: Comparison) -> list[Story]:
    """Every test image of which reconstructions were kept, turn after turn; contestants in their order, after a reference FBP where none is among them.

    Raises:
        InputError: A run has no examples.h5.
    """
    examples = {one.name: _examples(one.results[0] / EXAMPLES) for one in comparison.contestants}
    first = next(iter(examples.values()))
    found = []
    for k, (image, turn) in enumerate(zip(first["image"], first["turn"], strict=True)):
        columns = {name: of["reconstruction"][k] for name, of in examples.items()}
        if "fbp" in first and not any(np.allclose(x, first["fbp"][k], atol=1e-6) for x in columns.values()):
            columns = {"FBP": first["fbp"][k]} | columns
        found.append((f"image {image}" + (f", turned by {turn:g} degrees" if turn else ""), first["truth"][k], columns))
    return found


def picture(stories: list[Story]) -> Figure:
    """Rows of pictures: for each (title, truth, reconstructions by name) the images, a zoom, and the differences to the truth."""
    width = 1 + max(len(columns) for *_, columns in stories)
    figure = Figure(figsize=(2.4 * width, 7.6 * len(stories)), layout="constrained")
    axes = figure.subplots(3 * len(stories), width, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for number, (title, truth, columns) in enumerate(stories):
        whole, zoomed, differences = axes[3 * number : 3 * number + 3]
        window = {"cmap": "gray", "vmin": 0.0, "vmax": float(np.percentile(truth, 99.8)) or 1.0}
        part = _busiest(truth)
        for axis, area in ((whole[0], (slice(None),) * 2), (zoomed[0], part)):
            axis.imshow(truth[area], **window)
        whole[0].set_title(f"ground truth\n{literal(fill(title, LETTERS))}", fontsize=8)
        for axis in whole[: 1 + len(columns)]:
            axis.add_patch(_frame(part))
        limit = max(float(np.percentile(np.abs(x - truth), 99)) for x in columns.values()) or 1.0
        for column, (name, x) in enumerate(columns.items(), start=1):
            whole[column].imshow(x, **window)
            whole[column].set_title(f"{literal(fill(name, LETTERS))}\n{quality(psnr(x, truth), ssim(x, truth))}", fontsize=8)
            zoomed[column].imshow(x[part], **window)
            shown = differences[column].imshow(x - truth, cmap="RdBu_r", vmin=-limit, vmax=limit)
            differences[column].set_title("minus ground truth", fontsize=7)
        scale = differences[0].inset_axes((0.62, 0.05, 0.07, 0.9))  # where no difference is: beside it nothing would line up
        figure.colorbar(shown, cax=scale, label="attenuation / mu_max")
        scale.yaxis.set_ticks_position("left")
        scale.yaxis.set_label_position("left")
    return figure


def _frame(part: tuple[slice, slice]) -> Rectangle:
    """What shows where the zoom is."""
    rows, columns = part
    size = rows.stop - rows.start
    return Rectangle((columns.start - 0.5, rows.start - 0.5), size, size, fill=False, edgecolor="#ffd000", lw=0.8)


def _busiest(truth: Picture) -> tuple[slice, slice]:
    """The quarter-width window with the most edges in it: where reconstructions differ."""
    size = max(8, truth.shape[0] // 4)
    edges = np.abs(np.diff(truth, axis=0, append=0)) + np.abs(np.diff(truth, axis=1, append=0))
    corners = range(0, truth.shape[0] - size + 1, max(1, size // 4))
    best = max(
        ((row, column) for row in corners for column in corners),
        key=lambda at: edges[at[0] : at[0] + size, at[1] : at[1] + size].sum(),
    )
    return slice(best[0], best[0] + size), slice(best[1], best[1] + size)


def _examples(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise InputError(f"{path}: no such file: run ctrecon evaluate run={path.parent} first")
    with h5py.File(path, "r") as file:
        return {name: file[name][:] for name in file}
